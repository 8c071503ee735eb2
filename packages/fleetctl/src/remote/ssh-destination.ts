import type { Result } from "@fleet/core";

/** A host as ssh is told of it. */
export interface SshDestination {
  /** Undefined: as everywhere else. */
  readonly user: string | undefined;
  /** A name, an alias of ssh's configuration, or an address without brackets. */
  readonly host: string;
  /** Undefined: what ssh's configuration says. */
  readonly port: number | undefined;
}

/** No blanks, quotes or anything else that a shell could act upon, and no dash that ssh takes for a flag. */
const HOST = /^[A-Za-z0-9_.:][A-Za-z0-9_.:%-]*$/;

/** Whether ssh, and the shells on its way, can be given it as a host. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

/** Reads `[USER@]HOST[:PORT]`, an IPv6 address with a port in brackets. The problem is a sentence to show. */
export function parseSshDestination(text: string): Result<SshDestination, string> {
  const at = text.lastIndexOf("@");
  const user = at === -1 ? undefined : text.slice(0, at);
  const [host, port] = hostAndPort(text.slice(at + 1));
  if (user !== undefined && !/^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/.test(user)) return malformed(text);
  if (!isHost(host)) return malformed(text);
  if (port === undefined) return { ok: true, value: { user, host, port } };
  if (!isPort(port)) {
    return { ok: false, problem: `${JSON.stringify(text)}: a port is a number between 1 and 65535` };
  }
  return { ok: true, value: { user, host, port: Number(port) } };
}

export function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function hostAndPort(text: string): readonly [host: string, port: string | undefined] {
  const [, bracketed, portAfter] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return [bracketed, portAfter];
  const colon = text.indexOf(":");
  // More than one colon: an IPv6 address without brackets, which leaves no room for a port.
  if (colon === -1 || text.indexOf(":", colon + 1) !== -1) return [text, undefined];
  return [text.slice(0, colon), text.slice(colon + 1)];
}

function malformed(text: string): Result<SshDestination, string> {
  return {
    ok: false,
    problem: `${JSON.stringify(text)}: expected [USER@]HOST[:PORT], an IPv6 address with a port as [ADDRESS]:PORT`,
  };
}
