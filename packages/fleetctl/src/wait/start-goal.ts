import type { ApiUnitState } from "@fleet/api/client";
import { type Goal, StateGoal, type Step } from "./goal.ts";
import type { Sight } from "./picture.ts";

/** How long after `launched` systemd is given to show the unit active before the command returns. */
const SETTLE_MS = 2000;

/**
 * How long `failed` must stand before it is believed of a unit not seen running: right after `launched` it can
 * be what was left of an earlier run.
 */
const FAILURE_MS = 500;

/**
 * The unit is launched, and systemd reports it active.
 *
 * - active (a timer that waits and a socket that listens are active, too): reached
 * - failed, a start that systemd refused, or a unit file it cannot load: failed
 * - still activating after SETTLE_MS: reached, said with its sub state. A start that pulls an image takes
 *   minutes and is none the worse for it.
 * - inactive after it was seen running: a oneshot that has finished: reached. One that finishes faster than it
 *   can be watched looks the same as one that systemd has not begun with, hence SETTLE_MS here, too.
 *
 * The API does not say with what result a unit became inactive; systemd turns a bad result into `failed`.
 */
export class StartGoal implements Goal {
  readonly unit: string;
  readonly #launch: StateGoal;
  #launchedAtMs: number | undefined;
  #ranBefore = false;

  constructor(unit: string) {
    this.unit = unit;
    this.#launch = new StateGoal(unit, "launched");
  }

  get asks(): "unit" | "state" {
    return this.#launchedAtMs === undefined ? "unit" : "state";
  }

  get timeoutText(): string {
    if (this.#launchedAtMs === undefined) return this.#launch.timeoutText;
    return `timed out waiting for unit ${this.unit} to report active state`;
  }

  look(sight: Sight, nowMs: number): Step {
    if (this.#launchedAtMs === undefined) {
      const step = this.#launch.look(sight, nowMs);
      if (step.verdict !== "reached") return step;
      this.#launchedAtMs = nowMs;
      return { ...step, verdict: "waiting" };
    }
    if (sight.unit === undefined)
      return { verdict: "failed", say: `unit ${this.unit} was destroyed meanwhile` };
    const sinceLaunchMs = nowMs - this.#launchedAtMs;
    const state =
      sight.states.find(({ machineID }) => machineID === sight.unit?.machineID) ?? sight.states[0];
    if (state === undefined) {
      const say = `unit ${this.unit} is launched, but no machine reports a state of it`;
      return sinceLaunchMs < SETTLE_MS ? { verdict: "waiting" } : { verdict: "failed", say };
    }
    return this.#judge(state, sinceLaunchMs);
  }

  #judge(state: ApiUnitState, sinceLaunchMs: number): Step {
    const { systemdLoadState: load, systemdActiveState: active, systemdSubState: sub } = state;
    const where = `on machine ${state.machineID.slice(0, 8)}...`;
    if (state.problem !== undefined) {
      const say = `unit ${this.unit} cannot be started ${where}: ${state.problem}`;
      return { verdict: "failed", say };
    }
    if (active === "failed") {
      if (!this.#ranBefore && sinceLaunchMs < FAILURE_MS) return { verdict: "waiting" };
      const say = `unit ${this.unit} failed ${where}: systemd reports ${active} (${sub})`;
      return { verdict: "failed", say };
    }
    if (load !== "loaded" && load !== "" && active === "inactive") {
      const say = `unit ${this.unit} cannot be started ${where}: systemd reports load state ${load}`;
      return { verdict: "failed", say };
    }
    if (active === "active" || active === "reloading") return { verdict: "reached" };
    if (active === "inactive" && this.#ranBefore) return { verdict: "reached" };
    this.#ranBefore ||= active === "activating" || active === "deactivating";
    if (sinceLaunchMs < SETTLE_MS) return { verdict: "waiting" };
    if (active === "inactive") {
      const say = `Unit ${this.unit} is ${active} (${sub}): it has finished already, or systemd did not start it, such as for a condition that does not hold. "fleetctl status ${this.unit}" shows more.`;
      return { verdict: "reached", say };
    }
    return { verdict: "reached", say: `Unit ${this.unit} is still ${active} (${sub}).` };
  }
}
