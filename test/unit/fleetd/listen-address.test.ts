import { describe, expect, test } from "vitest";
import { formatListenAddress, parseListenAddress } from "../../../packages/fleetd/src/listen-address.ts";

describe("parseListenAddress", () => {
  const cases = [
    ["unix:///var/run/fleet.sock", { kind: "unix", path: "/var/run/fleet.sock" }],
    ["tcp://127.0.0.1:49153", { kind: "tcp", host: "127.0.0.1", port: 49_153 }],
    ["tcp://localhost:0", { kind: "tcp", host: "localhost", port: 0 }],
    ["tcp://[::1]:8080", { kind: "tcp", host: "::1", port: 8_080 }],
  ] as const;
  test.each(cases)("reads %s, and writes it the same", (text, expected) => {
    const address = parseListenAddress(text);
    expect(address).toEqual(expected);
    expect(address && formatListenAddress(address)).toBe(text);
  });

  test.each([
    "",
    "/var/run/fleet.sock",
    "unix://var/run/fleet.sock",
    "unix:///",
    `unix:///${"x".repeat(107)}`,
    "tcp://127.0.0.1",
    "tcp://:8080",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:http",
    "tcp://127.0.0.1:80/path",
    "tcp://::1:80",
    "http://127.0.0.1:80",
  ])("refuses %j", (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
