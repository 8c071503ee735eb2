import type { Assignment, ClusterModel, LeaveReason, PendingCause, Step } from "@fleet/core";
import type { WaitingCause } from "@fleet/registry";
import type { Clock } from "@fleet/runtime";
import type { ClusterEvent } from "./cluster-event.ts";

interface Leaving {
  readonly machineId: string;
  readonly reason: LeaveReason;
  readonly sinceMs: number;
  /** Its withdrawal has been told by itself. */
  told: boolean;
}

/** Units that have left one machine and are not on another yet; what comes beyond is told as it comes. */
const mostLeaving = 10_000;
/** Units that have come to wait; beyond it they are told before the steps that led to it. */
const mostWaiting = 1_000;
/** A unit that takes longer to stop than this is told to be withdrawn before it is told to have moved. */
const stopIsNewsMs = 5_000;

/** Makes events of what is decided about units. A withdrawal and the assignment to another machine are one move. */
export class UnitEvents {
  readonly #model: ClusterModel;
  readonly #clock: Clock;
  readonly #note: (event: ClusterEvent) => void;
  readonly #leaving = new Map<string, Leaving>();
  /** What units have come to wait for. Told at the end: the steps of the same plan are known later than that. */
  readonly #waiting = new Map<string, readonly PendingCause[]>();

  constructor(model: ClusterModel, clock: Clock, note: (event: ClusterEvent) => void) {
    this.#model = model;
    this.#clock = clock;
    this.#note = note;
  }

  /** Steps that are in the registry, but for the `undone` ones. */
  steps(steps: readonly Step[], undone: readonly Assignment[]): void {
    const dropped = new Set(undone.map(keyOf));
    for (const step of steps) {
      if (step.kind === "settle") continue;
      const where = step.kind === "withdraw" ? step : step.assignment;
      if (dropped.size > 0 && dropped.has(keyOf(where))) continue;
      if (step.kind === "withdraw") this.#withdrawn(step);
      else if (step.kind === "assign") this.#assigned(step);
      else this.#updated(step);
    }
  }

  /** A unit waits, and not as it did before. */
  waits(unit: string, causes: readonly PendingCause[]): void {
    // On its way from one machine to another: that is told as a move.
    if (causes.every((cause) => cause.kind === "held")) return;
    this.#waiting.set(unit, causes);
    if (this.#waiting.size > mostWaiting) this.#tellWaiting();
  }

  /** All that could be decided has been: what is still under way takes its time, or is not to go anywhere. */
  flush(): void {
    for (const [unit, { sinceMs }] of this.#leaving) {
      const ended = !this.#model.unplaced.has(unit);
      if (ended || this.#clock.monotonic() - sinceMs >= stopIsNewsMs) this.#tell(unit);
      if (ended) this.#leaving.delete(unit);
    }
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    for (const [unit, causes] of this.#waiting) {
      if (!this.#model.unplaced.has(unit)) continue;
      this.#tell(unit);
      this.#note({ kind: "waiting", unit, causes: causes.map(wordOf) });
    }
    this.#waiting.clear();
  }

  #withdrawn({ unit, machineId, reason }: Extract<Step, { kind: "withdraw" }>): void {
    this.#leave(unit, { machineId, reason, sinceMs: this.#clock.monotonic(), told: false });
    if (!this.#mayMove(unit, reason) || this.#leaving.size > mostLeaving) {
      this.#tell(unit);
      this.#leaving.delete(unit);
    }
  }

  #assigned({ assignment: { unit, machineId }, reason }: Extract<Step, { kind: "assign" }>): void {
    const from = this.#leaving.get(unit);
    if (from === undefined || from.machineId === machineId) {
      this.#tell(unit);
      this.#note({ kind: "assigned", unit, machineId, reason: reason.kind });
    } else {
      const fromMachineId = from.machineId;
      this.#note({ kind: "moved", unit, machineId, fromMachineId, ...reasonOf(from.reason) });
    }
    this.#leaving.delete(unit);
  }

  #updated({ assignment, reason }: Extract<Step, { kind: "update" }>): void {
    const { unit, machineId, target, restart } = assignment;
    const change = reason.content ? "content" : reason.target ? "target" : undefined;
    const word = change ?? (restart === undefined ? "repeated" : "restart");
    this.#note({ kind: "updated", unit, machineId, reason: word, target });
  }

  #leave(unit: string, leaving: Leaving): void {
    this.#tell(unit);
    this.#leaving.set(unit, leaving);
  }

  /** Says that a unit is withdrawn, unless that has been said. */
  #tell(unit: string): void {
    const leaving = this.#leaving.get(unit);
    if (leaving === undefined || leaving.told) return;
    leaving.told = true;
    this.#note({ kind: "withdrawn", unit, machineId: leaving.machineId, ...reasonOf(leaving.reason) });
  }

  #mayMove(unit: string, reason: LeaveReason): boolean {
    if (reason.kind === "destroyed" || reason.kind === "inactive" || reason.kind === "duplicate")
      return false;
    return this.#model.readableUnit(unit)?.requirements.global === false;
  }
}

function keyOf({ machineId, unit }: { readonly machineId: string; readonly unit: string }): string {
  return `${machineId}/${unit}`;
}

function reasonOf(reason: LeaveReason): { readonly reason: LeaveReason["kind"]; readonly peer?: string } {
  const peer = "unit" in reason ? reason.unit : "peer" in reason ? reason.peer : undefined;
  return { reason: reason.kind, ...(peer === undefined ? {} : { peer }) };
}

function wordOf(cause: PendingCause): WaitingCause {
  switch (cause.kind) {
    case "no_machine":
    case "held":
    case "exclusive":
      return { cause: cause.kind };
    case "closed":
      return { cause: cause.why, machines: cause.machines };
    case "unable":
      return { cause: cause.obstacle.cause, machines: cause.machines };
  }
}
