import type { ApiUnit, ApiUnitState } from "@fleet/api/client";
import { describe, expect, it } from "vitest";
import { type Goal, GoneGoal, StateGoal } from "../../../../packages/fleetctl/src/wait/goal.ts";
import type { Sight } from "../../../../packages/fleetctl/src/wait/picture.ts";
import { StartGoal } from "../../../../packages/fleetctl/src/wait/start-goal.ts";

const machineID = "0acdd9bf00000000000000000000abcd";
const name = "a.service";

function unit(
  desiredState: ApiUnit["desiredState"],
  currentState?: ApiUnit["desiredState"],
  placed = true,
): ApiUnit {
  return {
    name,
    options: [],
    desiredState,
    ...(currentState === undefined ? {} : { currentState }),
    ...(placed ? { machineID } : {}),
  };
}

function state(active: string, sub: string, load = "loaded"): ApiUnitState {
  return {
    name,
    hash: "",
    machineID,
    systemdLoadState: load,
    systemdActiveState: active,
    systemdSubState: sub,
  };
}

/** Shows a goal one sight after the other, until it has an end; returns everything that came of it. */
function play(goal: Goal, sights: readonly (readonly [atMs: number, Sight])[]): readonly string[] {
  const told: string[] = [];
  for (const [atMs, sight] of sights) {
    const step = goal.look(sight, atMs);
    if (step.reached !== undefined) told.push(`${step.reached.state}`);
    if (step.say !== undefined) told.push(step.say);
    if (step.verdict !== "waiting") return [...told, step.verdict];
  }
  return [...told, "waiting"];
}

const launched = (...states: ApiUnitState[]): Sight => ({ unit: unit("launched", "launched"), states });

describe("StateGoal", () => {
  const absent: Sight = { unit: undefined, states: [] };
  const at = (...args: Parameters<typeof unit>): Sight => ({ unit: unit(...args), states: [] });
  const cases: readonly [
    string,
    "loaded" | "inactive",
    readonly (readonly [number, Sight])[],
    readonly string[],
  ][] = [
    ["is reached with the current state", "loaded", [[0, at("loaded", "loaded")]], ["loaded", "reached"]],
    [
      "waits for the current state",
      "loaded",
      [
        [0, at("loaded", "inactive", false)],
        [500, at("loaded", "inactive")],
        [900, at("loaded", "loaded")],
      ],
      ["loaded", "reached"],
    ],
    [
      "does not take a stale answer for an end",
      "loaded",
      [
        [0, at("launched", "loaded")],
        [100, at("loaded", "launched")],
        [200, at("loaded", "loaded")],
      ],
      ["loaded", "reached"],
    ],
    [
      "says within a second, once, that no machine was found",
      "loaded",
      [
        [0, at("loaded", "inactive", false)],
        [400, at("loaded", "inactive", false)],
        [500, at("loaded", "inactive", false)],
      ],
      ["Unit a.service is not placed yet: waiting for a machine that may run it.", "waiting"],
    ],
    [
      "says after a second which machine it waits for",
      "loaded",
      [[1000, at("loaded", "inactive")]],
      [
        "Unit a.service is not loaded yet: waiting for machine 0acdd9bf... (what keeps it is in fleetd's log there)",
        "waiting",
      ],
    ],
    [
      "says after a second that a stop takes its time",
      "inactive",
      [[1000, at("inactive", "launched")]],
      ["Unit a.service is still being stopped and unloaded: waiting.", "waiting"],
    ],
    [
      "fails when the unit is destroyed",
      "loaded",
      [
        [0, at("loaded", "inactive")],
        [100, absent],
      ],
      ["unit a.service was destroyed meanwhile", "failed"],
    ],
    [
      "does not believe at once that the unit is not there",
      "loaded",
      [
        [0, absent],
        [14_999, absent],
        [15_000, absent],
      ],
      ["unit a.service was destroyed meanwhile", "failed"],
    ],
    [
      "fails when somebody asks for another state",
      "loaded",
      [
        [0, at("loaded", "inactive")],
        [100, at("inactive", "inactive")],
      ],
      ["the target state of unit a.service was changed to inactive meanwhile", "failed"],
    ],
  ];
  it.each(cases)("%s", (_, target, sights, told) => {
    expect(play(new StateGoal(name, target), sights)).toEqual(told);
  });
});

describe("StartGoal", () => {
  const cases: readonly [string, readonly (readonly [number, Sight])[], readonly string[]][] = [
    [
      "is reached when active",
      [
        [0, launched()],
        [0, launched(state("active", "running"))],
      ],
      ["launched", "reached"],
    ],
    [
      "takes a waiting timer for active",
      [
        [0, launched()],
        [0, launched(state("active", "waiting"))],
      ],
      ["launched", "reached"],
    ],
    [
      "is reached while still activating after 2 s, and says so",
      [
        [0, launched()],
        [1999, launched(state("activating", "start-pre"))],
        [2000, launched(state("activating", "start-pre"))],
      ],
      ["launched", "Unit a.service is still activating (start-pre).", "reached"],
    ],
    [
      "counts the 2 s from launched, not from the beginning",
      [
        [60_000, launched()],
        [61_000, launched(state("activating", "start"))],
      ],
      ["launched", "waiting"],
    ],
    [
      "fails at once when a unit seen starting has failed",
      [
        [0, launched()],
        [10, launched(state("activating", "start"))],
        [20, launched(state("failed", "failed"))],
      ],
      ["launched", "unit a.service failed on machine 0acdd9bf...: systemd reports failed (failed)", "failed"],
    ],
    [
      "does not take what an earlier run left for a failure",
      [
        [0, launched()],
        [10, launched(state("failed", "failed"))],
        [300, launched(state("active", "running"))],
      ],
      ["launched", "reached"],
    ],
    [
      "fails when failed stands",
      [
        [0, launched()],
        [10, launched(state("failed", "failed"))],
        [510, launched(state("failed", "failed"))],
      ],
      ["launched", "unit a.service failed on machine 0acdd9bf...: systemd reports failed (failed)", "failed"],
    ],
    [
      "fails when systemd cannot load the file",
      [
        [0, launched()],
        [0, launched(state("inactive", "dead", "bad-setting"))],
      ],
      [
        "launched",
        "unit a.service cannot be started on machine 0acdd9bf...: systemd reports load state bad-setting",
        "failed",
      ],
    ],
    [
      "fails at once when systemd refused the start",
      [0, 10].map((atMs) => [
        atMs,
        launched({ ...state("inactive", "dead"), problem: "Unit b.service not found." }),
      ]),
      [
        "launched",
        "unit a.service cannot be started on machine 0acdd9bf...: Unit b.service not found.",
        "failed",
      ],
    ],
    [
      "is reached when a oneshot has finished",
      [
        [0, launched()],
        [10, launched(state("activating", "start"))],
        [20, launched(state("inactive", "dead"))],
      ],
      ["launched", "reached"],
    ],
    [
      "is reached after 2 s for a oneshot too fast to be seen",
      [
        [0, launched()],
        [1900, launched(state("inactive", "dead"))],
        [2000, launched(state("inactive", "dead"))],
      ],
      [
        "launched",
        'Unit a.service is inactive (dead): it has finished already, or systemd did not start it, such as for a condition that does not hold. "fleetctl status a.service" shows more.',
        "reached",
      ],
    ],
    [
      "fails when no machine reports a state for 2 s",
      [
        [0, launched()],
        [1900, launched()],
        [2000, launched()],
      ],
      ["launched", "unit a.service is launched, but no machine reports a state of it", "failed"],
    ],
  ];
  it.each(cases)("%s", (_, sights, told) => {
    expect(play(new StartGoal(name), sights)).toEqual(told);
  });

  it("asks for the state once the unit is launched", () => {
    const goal = new StartGoal(name);
    expect(goal.asks).toBe("unit");
    goal.look(launched(), 0);
    expect(goal.asks).toBe("state");
  });
});

describe("GoneGoal", () => {
  it("waits until both the unit and its state are gone", () => {
    const goal = new GoneGoal(name);
    const told = play(goal, [
      [0, launched(state("active", "running"))],
      [1000, { unit: undefined, states: [state("deactivating", "stop")] }],
      [1500, { unit: undefined, states: [] }],
    ]);
    expect(told).toEqual(["Unit a.service is still being stopped and unloaded: waiting.", "reached"]);
  });

  it("does not wait for a unit that was submitted anew", () => {
    const told = play(new GoneGoal(name), [
      [0, { unit: undefined, states: [state("deactivating", "stop")] }],
      [500, { unit: unit("inactive", "inactive", false), states: [state("deactivating", "stop")] }],
    ]);
    expect(told).toEqual(["reached"]);
  });
});
