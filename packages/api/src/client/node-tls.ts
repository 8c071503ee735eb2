/**
 * Node's modules for TLS, read when first wanted: that takes some milliseconds of a command's start, and most daemons
 * are reached through the socket of their own machine.
 */

export function nodeHttps() {
  return process.getBuiltinModule("node:https");
}

export function nodeTls() {
  return process.getBuiltinModule("node:tls");
}
