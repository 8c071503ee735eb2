import type { ApiUnit, ApiUnitState } from "@fleet/api/client";
import { describe, expect, it } from "vitest";
import { Picture } from "../../../../packages/fleetctl/src/wait/picture.ts";

const unit = (name: string): ApiUnit => ({ name, options: [], desiredState: "launched" });
const state = (name: string, machineID: string, systemdSubState = "running"): ApiUnitState => ({
  name,
  machineID,
  hash: "",
  systemdLoadState: "loaded",
  systemdActiveState: "active",
  systemdSubState,
});

describe("Picture", () => {
  it("knows nothing of a unit the server has not spoken about", () => {
    const picture = new Picture();
    picture.applySnapshot({ type: "snapshot", revision: 1, units: [], states: [], machines: [] }, [
      "a.service",
    ]);
    expect(picture.sight("a.service")).toEqual({ unit: undefined, states: [] });
    expect(picture.sight("b.service")).toBeUndefined();
  });

  it("follows the deltas", () => {
    const picture = new Picture();
    const a = unit("a.service");
    picture.applySnapshot(
      {
        type: "snapshot",
        revision: 1,
        units: [a],
        states: [state("a.service", "m1")],
        machines: [{ id: "m1" }],
      },
      ["a.service"],
    );
    picture.applyDelta({
      type: "delta",
      revision: 2,
      units: { put: [{ ...a, machineID: "m2" }], removed: [] },
      states: {
        put: [state("a.service", "m2", "start")],
        removed: [{ name: "a.service", machineID: "m1" }],
      },
      machines: { put: [{ id: "m2", primaryIP: "10.0.0.2" }], removed: [] },
    });
    expect(picture.sight("a.service")).toEqual({
      unit: { ...a, machineID: "m2" },
      states: [state("a.service", "m2", "start")],
    });
    expect(picture.machine("m2")?.primaryIP).toBe("10.0.0.2");
    picture.applyDelta({ type: "delta", revision: 3, units: { put: [], removed: ["a.service"] } });
    expect(picture.sight("a.service")?.unit).toBeUndefined();
  });

  it("forgets with a new snapshot what is not in it", () => {
    const picture = new Picture();
    const snapshot = { type: "snapshot", revision: 1, states: [], machines: [] } as const;
    picture.applySnapshot(
      { ...snapshot, states: [state("a.service", "m1")], machines: [], units: [unit("a.service")] },
      ["a.service"],
    );
    picture.applySnapshot({ ...snapshot, states: [], machines: [], units: [] }, ["a.service"]);
    expect(picture.sight("a.service")).toEqual({ unit: undefined, states: [] });
  });
});
