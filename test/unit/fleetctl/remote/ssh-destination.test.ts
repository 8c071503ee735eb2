import { describe, expect, it } from "vitest";
import { parseSshDestination } from "../../../../packages/fleetctl/src/remote/ssh-destination.ts";

describe("a host to go through", () => {
  it.each([
    ["gate", [undefined, "gate", undefined]],
    ["gate:2222", [undefined, "gate", 2222]],
    ["ops@gate.example.org:22", ["ops", "gate.example.org", 22]],
    ["172.17.8.101:2222", [undefined, "172.17.8.101", 2222]],
    ["[::1]:2222", [undefined, "::1", 2222]],
    ["[fe80::1%eth0]", [undefined, "fe80::1%eth0", undefined]],
    ["core@2001:db8::1", ["core", "2001:db8::1", undefined]],
  ])("%s", (text, [user, host, port]) => {
    expect(parseSshDestination(text)).toEqual({ ok: true, value: { user, host, port } });
  });

  it.each([
    ["", "expected [USER@]HOST[:PORT]"],
    ["-oProxyCommand=reboot", "expected [USER@]HOST[:PORT]"],
    ["gate;reboot", "expected [USER@]HOST[:PORT]"],
    ["-l@gate", "expected [USER@]HOST[:PORT]"],
    ["a b@gate", "expected [USER@]HOST[:PORT]"],
    ["[::1", "expected [USER@]HOST[:PORT]"],
    ["gate:", "a port is a number"],
    ["gate:0", "a port is a number"],
    ["gate:65536", "a port is a number"],
    ["[::1]:ssh", "a port is a number"],
  ])("refuses %j", (text, problem) => {
    expect(parseSshDestination(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });
});
