import { FleetApiError, FleetUnreachableError, type UnitChange } from "@fleet/api/client";
import type { TargetState } from "@fleet/core";
import { AbortedError } from "@fleet/runtime";
import { describe, expect, it } from "vitest";
import { applyImport } from "../../../../packages/fleetctl/src/import/apply-import.ts";
import type { PlannedImport } from "../../../../packages/fleetctl/src/import/plan-import.ts";

const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const { signal } = new AbortController();

function planned(
  name: string,
  content: PlannedImport["content"],
  wanted: TargetState,
  here?: TargetState,
): PlannedImport {
  const isTemplate = name.includes("@.");
  return { name, content, options, isTemplate, there: wanted, here, wanted, problems: [], warnings: [] };
}

/** Notes what it is asked for, and fails as it is told to. */
class Client {
  readonly asked: string[] = [];
  readonly failures = new Map<string, Error>();

  async putUnit({ name, options: content, desiredState }: UnitChange): Promise<"created" | "changed"> {
    // An answer takes a moment: what is asked for next must not depend on it coming at once.
    await new Promise((resolve) => setImmediate(resolve));
    this.asked.push([name, content && "content", desiredState].filter(Boolean).join(" "));
    const failure = this.failures.get(name);
    if (failure !== undefined) throw failure;
    return "created";
  }
}

describe("applying a plan", () => {
  it("writes templates, then other contents, then target states", async () => {
    const client = new Client();
    const plan = [
      planned("a@1.service", "create", "launched"),
      planned("b.service", "same", "loaded", "inactive"),
      planned("z@.service", "create", "inactive"),
    ];
    expect(await applyImport(plan, client, signal)).toEqual({ written: 2, raised: 2, refused: [] });
    expect(client.asked).toEqual([
      "z@.service content",
      "a@1.service content",
      "a@1.service launched",
      "b.service loaded",
    ]);
  });

  it("replaces content and target in one request", async () => {
    const client = new Client();
    await applyImport([planned("a.service", "replace", "launched", "launched")], client, signal);
    expect(client.asked).toEqual(["a.service content launched"]);
  });

  it("asks for nothing where nothing is to be done", async () => {
    const client = new Client();
    const plan = [
      planned("a.service", "same", "launched", "launched"),
      planned("b.service", "differs", "loaded", "loaded"),
      planned("c.service", "refused", "inactive", "inactive"),
    ];
    expect(await applyImport(plan, client, signal)).toEqual({ written: 0, raised: 0, refused: [] });
    expect(client.asked).toEqual([]);
  });

  it.each([
    ["refuses", 400],
    ["no longer has", 409],
    ["finds too large", 413],
  ])("goes on past a unit that the daemon %s, and asks for nothing more of it", async (_, status) => {
    const client = new Client();
    client.failures.set("a.service", new FleetApiError(status, "no such thing"));
    const plan = [planned("a.service", "create", "launched"), planned("b.service", "create", "launched")];
    expect(await applyImport(plan, client, signal)).toEqual({
      written: 1,
      raised: 1,
      refused: [{ name: "a.service", problem: "no such thing" }],
    });
    expect(client.asked).toEqual(["a.service content", "b.service content", "b.service launched"]);
  });

  it.each([
    ["is gone", new FleetUnreachableError("connection refused"), "connection refused"],
    ["cannot reach etcd", new FleetApiError(503, "fleet server unable to communicate with etcd"), "etcd"],
  ])("ends, and says how to go on, when the daemon %s", async (_, failure, message) => {
    const client = new Client();
    client.failures.set("a.service", failure);
    await expect(
      applyImport([planned("a.service", "create", "launched")], client, signal),
    ).rejects.toMatchObject({
      name: "CommandFailure",
      message: expect.stringContaining(message),
      hints: expect.arrayContaining([expect.stringContaining("the same command goes on from there")]),
    });
    expect(client.asked).toEqual(["a.service content"]);
  });

  it("passes an interrupt through", async () => {
    const client = new Client();
    client.failures.set("a.service", new AbortedError());
    await expect(
      applyImport([planned("a.service", "create", "launched")], client, signal),
    ).rejects.toBeInstanceOf(AbortedError);
  });
});
