import type { ApiUnit, ApiUnitState, ClientMachine } from "@fleet/api/client";
import type { UnitOption } from "@fleet/core";
import { describe, expect, it } from "vitest";
import { whyUnplaced } from "../../../../packages/fleetctl/src/wait/why-unplaced.ts";

const [m1, m2, m3] = ["11111111aa", "22222222bb", "33333333cc"];

function machine(id: string, metadata: Record<string, string> = {}): ClientMachine {
  return { id, primaryIP: "", metadata };
}

function unit(name: string, requirements: Record<string, string> = {}, machineID?: string): ApiUnit {
  const options = Object.entries(requirements).map(
    ([option, value]): UnitOption => ({ section: "X-Fleet", name: option, value }),
  );
  return { name, options, desiredState: "launched", ...(machineID === undefined ? {} : { machineID }) };
}

function state(name: string, machineID: string): ApiUnitState {
  const running = { systemdLoadState: "loaded", systemdActiveState: "active", systemdSubState: "running" };
  return { name, hash: "", machineID, ...running };
}

describe("whyUnplaced", () => {
  const machines = [machine(m1, { disk: "ssd" }), machine(m2), machine(m3)];

  it("puts machines with the same obstacle into one line", () => {
    const waiting = unit("a.service", { MachineMetadata: "disk=tape" });
    expect(whyUnplaced(waiting, { units: [waiting], states: [], machines })).toEqual([
      "11111111...: MachineMetadata=disk=tape, and there is disk=ssd",
      "2 machines: MachineMetadata=disk=tape, and there is no disk",
    ]);
  });

  it.each<[string, Record<string, string>, readonly ApiUnit[], readonly ApiUnitState[], string]>([
    ["MachineID", { MachineID: "99999999" }, [], [], "MachineID=99999999 is another one"],
    ["MachineOf", { MachineOf: "b.service" }, [], [], "MachineOf=b.service, which is not there"],
    [
      "its own Conflicts",
      { Conflicts: "b*.service" },
      [unit("b1.service", {}, m1)],
      [],
      "Conflicts=b*.service, and b1.service is there",
    ],
    [
      "the Conflicts of a global unit, which only reports tell of",
      {},
      [unit("b.service", { Global: "true", Conflicts: "a.*" })],
      [state("b.service", m1)],
      "Conflicts=a.* of b.service, which is there",
    ],
    [
      "a unit that replaces it",
      {},
      [unit("b.service", { Replaces: "a.service" }, m1)],
      [],
      "Replaces=a.service of b.service, which is there",
    ],
    [
      "a unit that it would replace",
      { Replaces: "b.service" },
      [unit("b.service", {}, m1)],
      [],
      "it would replace b.service, which must be able to run elsewhere",
    ],
    ["nothing", {}, [], [], "nothing speaks against it, but no engine has placed it there yet"],
  ])("names %s", (_, requirements, units, states, reason) => {
    const waiting = unit("a.service", requirements);
    const cluster = { units: [waiting, ...units], states, machines: [machine(m1)] };
    expect(whyUnplaced(waiting, cluster)).toEqual([`11111111...: ${reason}`]);
  });

  it("says that there is no machine", () => {
    expect(whyUnplaced(unit("a.service"), { units: [], states: [], machines: [] })).toEqual([
      "No machine is in the cluster.",
    ]);
  });

  it("cuts a long list short", () => {
    const ids = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(8));
    const shards = ids.map((id, index) => unit(`s@${index}.service`, {}, id));
    const waiting = unit("s@8.service", { Conflicts: "s@*.service" });
    const lines = whyUnplaced(waiting, { units: shards, states: [], machines: ids.map((id) => machine(id)) });
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe("4 more machines: for reasons like these");
  });
});
