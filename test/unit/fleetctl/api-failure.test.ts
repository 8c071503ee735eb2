import { FleetApiError, FleetUnreachableError } from "@fleet/api/client";
import { describe, expect, it } from "vitest";
import { wordedAs } from "../../../packages/fleetctl/src/api-failure.ts";

const denied = Object.assign(new Error("connect EACCES"), { code: "EACCES" });

describe("the first hint", () => {
  it.each<[string, Error, string | undefined]>([
    ["no daemon", new FleetUnreachableError("connect ENOENT"), "Is fleetd running there"],
    [
      "no permission",
      new FleetUnreachableError("connect EACCES", denied),
      "This user may not open the socket",
    ],
    [
      "another server",
      new FleetApiError(404, "Not Found"),
      "Something answers there, but it has no fleet API",
    ],
    [
      "etcd away",
      new FleetApiError(503, "fleet server unable to communicate with etcd"),
      "fleetd answers, but cannot reach etcd",
    ],
    [
      "a full etcd",
      new FleetApiError(503, "etcd has no space left and takes no changes: mvcc: database space exceeded"),
      "Units keep running and can be listed",
    ],
    ["frozen", new FleetApiError(503, "fleetd is frozen: wiped"), "fleetctl reseed"],
    ["any other refusal", new FleetApiError(503, "too many streams are open"), undefined],
  ])("after %s fits the failure", async (_, error, hint) => {
    const failure = await wordedAs((reason) => `failed: ${reason}`, Promise.reject(error)).catch(
      (caught: unknown) => caught,
    );
    expect(failure).toMatchObject({
      message: `failed: ${error.message}`,
      hints: hint === undefined ? [] : expect.arrayContaining([expect.stringContaining(hint)]),
    });
  });
});
