import type { TargetState } from "@fleet/core";
import type { Sight } from "./picture.ts";

/** What came of looking at a unit once. */
export interface Step {
  readonly verdict: "waiting" | "reached" | "failed";
  /** A result for stdout: the state the unit has reached, and where. */
  readonly reached?: { readonly state: TargetState; readonly machineId: string | undefined };
  /** A line for stderr: what is waited for, or why it failed. */
  readonly say?: string;
  /** The unit waits for a machine, and the user should be told why none takes it, as far as that is news. */
  readonly unplaced?: true;
}

/**
 * What a command waits for of one unit. Looked at again on every change and every so often in between;
 * remembers what it has seen, and says each thing once.
 */
export interface Goal {
  readonly unit: string;
  /** What has to be polled where the server has no stream. */
  readonly asks: "unit" | "state" | "unit-and-state";
  /** @param nowMs Milliseconds since the waiting began. */
  look(sight: Sight, nowMs: number): Step;
  /** Why the waiting for it took too long. */
  readonly timeoutText: string;
}

/** Time after which the user is told what is waited for. */
const PATIENCE_MS = 1000;

/** The same while no machine is found: placing takes an engine a few milliseconds. */
const PLACING_MS = 400;

/** How often it is looked whether the reason is another one. */
const REASON_INTERVAL_MS = 5000;

/**
 * How far behind our write the answers may be: of another daemon behind the same endpoint, or of one that has lost etcd
 * and shows what it knew until it is connected again, which it tries every 5 s at least.
 */
const LAG_MS = 15_000;

const waiting: Step = { verdict: "waiting" };

/** The unit's current state becomes the target state asked for. */
export class StateGoal implements Goal {
  readonly unit: string;
  readonly asks = "unit";
  readonly timeoutText: string;
  readonly #target: TargetState;
  #requestSeen = false;
  #told = false;
  #reasonAtMs = PLACING_MS;

  constructor(unit: string, target: TargetState) {
    this.unit = unit;
    this.#target = target;
    this.timeoutText = `timed out waiting for unit ${unit} to report state ${target}`;
  }

  look({ unit }: Sight, nowMs: number): Step {
    if (unit === undefined) {
      const late = this.#requestSeen || nowMs >= LAG_MS;
      return late ? { verdict: "failed", say: `unit ${this.unit} was destroyed meanwhile` } : waiting;
    }
    // The answer of a server that lags behind its own writes is no change of mind.
    if (unit.desiredState === this.#target) this.#requestSeen = true;
    else if (this.#requestSeen) {
      const say = `the target state of unit ${this.unit} was changed to ${unit.desiredState} meanwhile`;
      return { verdict: "failed", say };
    }
    if (this.#requestSeen && unit.currentState === this.#target) {
      return { verdict: "reached", reached: { state: this.#target, machineId: unit.machineID } };
    }
    return this.#target !== "inactive" && unit.machineID === undefined
      ? this.#unplaced(nowMs)
      : this.#late(unit.machineID, nowMs);
  }

  #unplaced(nowMs: number): Step {
    if (nowMs < this.#reasonAtMs) return waiting;
    this.#reasonAtMs = nowMs + REASON_INTERVAL_MS;
    const say = `Unit ${this.unit} is not placed yet: waiting for a machine that may run it.`;
    const first = !this.#told;
    this.#told = true;
    return { verdict: "waiting", unplaced: true, ...(first ? { say } : {}) };
  }

  #late(machineId: string | undefined, nowMs: number): Step {
    if (this.#told || nowMs < PATIENCE_MS) return waiting;
    this.#told = true;
    return { verdict: "waiting", say: this.#whatIsMissing(machineId) };
  }

  #whatIsMissing(machineId: string | undefined): string {
    if (this.#target === "inactive") return `Unit ${this.unit} is still being stopped and unloaded: waiting.`;
    return `Unit ${this.unit} is not ${this.#target} yet: waiting for machine ${machineId?.slice(0, 8)}... (what keeps it is in fleetd's log there)`;
  }
}

/** The unit and everything machines reported of it are gone, or it has been submitted anew since. */
export class GoneGoal implements Goal {
  readonly unit: string;
  readonly asks = "unit-and-state";
  readonly timeoutText: string;
  #goneBefore = false;
  #told = false;

  constructor(unit: string) {
    this.unit = unit;
    this.timeoutText = `timed out waiting for unit ${unit} to be unloaded`;
  }

  look({ unit, states }: Sight, nowMs: number): Step {
    if (unit === undefined ? states.length === 0 : this.#goneBefore) return { verdict: "reached" };
    this.#goneBefore ||= unit === undefined;
    if (this.#told || nowMs < PATIENCE_MS) return waiting;
    this.#told = true;
    return { verdict: "waiting", say: `Unit ${this.unit} is still being stopped and unloaded: waiting.` };
  }
}
