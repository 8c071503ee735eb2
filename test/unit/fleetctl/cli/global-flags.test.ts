import { describe, expect, it } from "vitest";
import { FlagValues, UsageError } from "../../../../packages/fleetctl/src/cli/flag.ts";
import { flagsFromEnvironment, globalFlags } from "../../../../packages/fleetctl/src/cli/global-flags.ts";

describe("flagsFromEnvironment", () => {
  it("reads FLEETCTL_ variables, dashes as underscores", () => {
    const given = flagsFromEnvironment({
      FLEETCTL_ENDPOINT: "http://a",
      FLEETCTL_REQUEST_TIMEOUT: "0.5",
      FLEETCTL_STRICT_HOST_KEY_CHECKING: "false",
      FLEETCTL_NOPE: "x",
      ENDPOINT: "http://b",
    });
    expect(Object.fromEntries(given)).toEqual({
      endpoint: "http://a",
      "request-timeout": "0.5",
      "strict-host-key-checking": "false",
    });
  });

  it("takes an empty variable for an absent one", () => {
    expect(flagsFromEnvironment({ FLEETCTL_ENDPOINT: "", FLEETCTL_TUNNEL: undefined }).size).toBe(0);
  });

  it("leaves FLEETCTL_VERSION to those who install fleetctl", () => {
    expect(flagsFromEnvironment({ FLEETCTL_VERSION: "v0.11.8" }).size).toBe(0);
  });

  it("names the variable whose value does not fit", () => {
    const read = () => flagsFromEnvironment({ FLEETCTL_DEBUG: "loud" });
    expect(read).toThrow(
      new UsageError('invalid value "loud" for flag --debug: expected true or false (from FLEETCTL_DEBUG)'),
    );
  });
});

describe("a number of seconds", () => {
  it.each([
    ["3", 3_000],
    ["1.005", 1_005],
    ["0.0001", 1],
    ["99999999", 2_147_483_647],
  ])("%s becomes a timeout that timers take", (text, expected) => {
    const flags = new FlagValues(globalFlags, new Map([["request-timeout", text]]));
    expect(flags.milliseconds("request-timeout")).toBe(expected);
  });
});
