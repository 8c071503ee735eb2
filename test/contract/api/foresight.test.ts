import type { UnitOption } from "@fleet/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const [m1, m2, m3] = ["11111111aaaa", "22222222bbbb", "33333333cccc"];

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  served = await serveApi(registry, { agentTtlMs: 30_000 });
  registry.machine(m1, "10.0.0.1", { region: "eu" });
  registry.machine(m2, "10.0.0.2");
  registry.machine(m3, "10.0.0.3");
});

afterEach(() => served.stop());

function options(...xFleet: readonly string[]): UnitOption[] {
  const lines = xFleet.map((line) => {
    const [name = "", ...value] = line.split("=");
    return { section: "X-Fleet", name, value: value.join("=") };
  });
  return [{ section: "Service", name: "ExecStart", value: "/bin/true" }, ...lines];
}

async function submit(name: string, xFleet: readonly string[] = [], machineId?: string): Promise<void> {
  await served.client.putUnit({ name, options: options(...xFleet), desiredState: "launched" });
  if (machineId === undefined) return;
  registry.assign(machineId, name);
  registry.publish(machineId, name, {});
}

/** As the engine does once it has taken the machine's registration into account. */
function settle(machineId: string): void {
  const rows = registry.registrationOf(machineId);
  const entry = {
    status: "present",
    value: { registration: rows },
    createRevision: 1,
    modRevision: 1,
  } as const;
  registry.write({ kind: "settled", machineId, entry });
}

describe("an explanation", () => {
  test("of a unit that waits counts machines by cause, names the nearest and what would help", async () => {
    await submit("apache@1.service", ["MachineID=11111111"], m1);
    await submit("web.service", ["MachineMetadata=region=eu", "Conflicts=apache@*"]);
    expect(await served.client.explanation("web.service")).toEqual({
      unit: "web.service",
      desiredState: "launched",
      verdict: "waiting",
      machines: 3,
      placements: [],
      causes: [
        { cause: "MachineMetadata", machines: 2, examples: [m2, m3], text: "lack region=eu" },
        { cause: "Conflicts", machines: 1, examples: [m1], text: "conflicts with apache@1.service" },
      ],
      nearest: { machineID: m1, obstacles: ["conflicts with apache@1.service"] },
      remedies: [
        "stop apache@1.service on 11111111..., or add a machine without it",
        "set the metadata region=eu on 22222222..., or add a machine that has it",
      ],
      summary:
        "web.service waits for a machine: of 3 machines 2 lack region=eu and 1 conflicts with apache@1.service.",
    });
  });

  test("of a unit that is placed says why there, and whether it still fits", async () => {
    await submit("a.service", ["MachineMetadata=region=eu"], m1);
    await submit("b.service", [], m2);
    const placed = async (name: string) => {
      const explanation = await served.client.explanation(name);
      return typeof explanation === "string" ? explanation : explanation.placements;
    };
    expect(await placed("a.service")).toEqual([
      { machineID: m1, fits: true, text: "on 11111111..., the only machine that may run it" },
    ]);
    expect(await placed("b.service")).toEqual([
      {
        machineID: m2,
        fits: true,
        text: "on 22222222..., the one with the fewest units of those that may run it when it was placed; now 3 may",
      },
    ]);
    registry.machine(m1, "10.0.0.1", { region: "us" });
    expect(await placed("a.service")).toEqual([
      {
        machineID: m1,
        fits: false,
        text: "11111111... does not fit any more: it lacks region=eu (it has region=us)",
      },
    ]);
  });

  test("of an exclusive unit says how long it waits at most", async () => {
    await submit("x.service", ["Exclusive=true"]);
    settle(m1);
    const hold = { machineId: m1, registration: 1, stopMs: 90_000 };
    const entry = { status: "present", value: hold, createRevision: 1, modRevision: 1 } as const;
    registry.write({ kind: "exclusive-hold", unit: "x.service", entry });
    expect(await served.client.explanation("x.service")).toMatchObject({
      causes: [{ cause: "exclusive", examples: [m1] }],
      summary:
        "x.service has to wait until it has ended on 11111111...: 121 s at most once nothing is heard from there.",
    });
  });

  test("follows the cluster: a machine that vanishes keeps what it has until the engine withdraws it", async () => {
    await submit("a.service", ["MachineID=22222222"], m2);
    expect(await served.client.explanation("a.service")).toMatchObject({ verdict: "placed" });
    registry.machineGone(m2);
    expect(await served.client.explanation("a.service")).toMatchObject({
      machines: 3,
      placements: [{ fits: false, text: "22222222... is away and may come back" }],
    });
    registry.unpublish(m2, "a.service");
    registry.withdraw(m2, "a.service");
    expect(await served.client.explanation("a.service")).toMatchObject({
      verdict: "waiting",
      machines: 2,
      summary: "a.service waits for a machine: both machines are not the machine 22222222 of its MachineID.",
    });
  });

  test("of inactive units, templates, and units that there are not", async () => {
    await served.client.putUnit({ name: "i.service", options: options() });
    await served.client.putUnit({ name: "t@.service", options: options() });
    expect(await served.client.explanation("i.service")).toMatchObject({ verdict: "inactive" });
    expect(await served.client.explanation("t@.service")).toMatchObject({ verdict: "template" });
    expect(await served.client.explanation("none.service")).toBe("absent");
  });

  test("is refused while etcd is away", async () => {
    await submit("a.service");
    registry.goAway();
    expect((await served.ask("GET", "/fleet/v1/units/a.service/explanation")).status).toBe(503);
  });
});

describe("a dry run", () => {
  test("tells what would start, move and stop, in order, and what would wait and why", async () => {
    for (const id of [m1, m2, m3]) settle(id);
    await submit("a.service", [], m1);
    await submit("follower.service", ["MachineOf=a.service"], m1);
    await submit("bound.service", ["MachineID=11111111"], m1);
    const wanted = { name: "new.service", options: options(), desiredState: "launched" as const };
    const dryRun = await served.client.dryRun({ units: [wanted], drain: [m1] });
    expect(
      dryRun?.steps.map(({ action, unit, machineID, fromMachineID, reason, text }) => {
        return [action, unit, fromMachineID, machineID, reason, text];
      }),
    ).toEqual([
      [
        "move",
        "a.service",
        m1,
        m3,
        "machine_leaving",
        "moves from 11111111... to 33333333...: the machine is leaving",
      ],
      [
        "stop",
        "bound.service",
        m1,
        undefined,
        "machine_leaving",
        "stops on 11111111...: the machine is leaving; it then waits for a machine",
      ],
      [
        "move",
        "follower.service",
        m1,
        m3,
        "machine_leaving",
        "moves from 11111111... to 33333333...: the machine is leaving",
      ],
      [
        "start",
        "new.service",
        undefined,
        m2,
        "least_loaded",
        "starts on 22222222..., the one with the fewest units (0) of those that may run it",
      ],
    ]);
    expect(dryRun?.waiting).toMatchObject([
      { unit: "bound.service", verdict: "waiting", causes: [{ machines: 2 }, { machines: 1 }] },
    ]);
    expect(dryRun?.revision).toBe(registry.revision);
  });

  test("leaves no trace, in the cluster as it is explained either", async () => {
    await submit("a.service", [], m1);
    const { revision } = registry;
    const before = await served.client.explanation("a.service");
    const wanted = {
      name: "new.service",
      options: options("Replaces=a.service"),
      desiredState: "launched" as const,
    };
    expect((await served.client.dryRun({ units: [wanted], without: [m2, m3] }))?.waiting).toHaveLength(1);
    expect(await served.client.explanation("a.service")).toEqual(before);
    expect(await served.client.explanation("new.service")).toBe("absent");
    expect(registry.revision).toBe(revision);
  });

  test.each([
    [{ drain: ["nowhere"] }, 'machine "nowhere" is not present'],
    [{ without: ["nowhere"] }, 'machine "nowhere" is not present'],
    [{ destroy: ["none.service"] }, 'unit "none.service" does not exist'],
    [
      { units: [{ name: "t@.service", options: options(), desiredState: "launched" }] },
      "cannot activate template",
    ],
    [{ units: [{ name: "bad", options: options(), desiredState: "launched" }] }, ""],
  ])("%j is refused", async (body, text) => {
    const answer = await served.ask("POST", "/fleet/v1/plan", { body });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(JSON.stringify(text).slice(1, -1));
  });

  test("is refused while etcd is away or hangs", async () => {
    registry.goAway();
    expect((await served.ask("POST", "/fleet/v1/plan", { body: {} })).status).toBe(503);
    registry.store = "hanging";
    expect((await served.ask("POST", "/fleet/v1/plan", { body: {} })).status).toBe(503);
  });
});
