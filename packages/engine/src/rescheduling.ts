import {
  type ClusterModel,
  canRunElsewhere,
  type Reschedule,
  type RescheduleMove,
  rescheduleOf,
} from "@fleet/core";
import type { Change, EngineWrite } from "@fleet/registry";
import type { Clock, Counter, Logger } from "@fleet/runtime";

export interface ReschedulingOptions {
  readonly model: ClusterModel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Failures that are left where they are. */
  readonly held: Counter<"reason">;
  /** Asks for a look at `writes` after this time. */
  readonly again: (delayMs: number) => void;
}

/** Why a failed unit that asks to be moved stays. */
type Held = "limit" | "no_other_machine";

interface Failure {
  readonly unit: string;
  readonly machineId: string;
  /** Of the assignment that failed; a new intent is given time of its own. */
  generation: number;
  /** Monotonic milliseconds since when this engine has seen it failed. */
  sinceMs: number;
  /** Nothing is decided about it before then. */
  nextLookMs: number;
  held: Held | undefined;
}

/** How long a unit stays failed before its first move, and what each further move within the interval waits for. */
const firstDelayMs = 1_000;
const nextDelayMs = 10_000;
const longestDelayMs = 5 * 60_000;
/** How often a failed unit looks for a machine that was not there before. */
const lookAgainMs = 5_000;
/** Timers count milliseconds in 31 bits. */
const longestTimerMs = 2 ** 31 - 1;

/** Time between a failure and the move, after so many moves within the interval. */
function rescheduleDelayMs(moves: number): number {
  if (moves === 0) return firstDelayMs;
  return Math.min(longestDelayMs, nextDelayMs * 2 ** (moves - 1));
}

/**
 * Decides when a unit that asks for it (RescheduleOnFailure) is moved off the machine where systemd reports it failed.
 *
 * Invariants:
 * - what was moved, and when, is in the registry before the unit is withdrawn: a new leader counts on from there;
 * - only `failed` counts: while systemd itself starts a unit again (Restart=) it is `activating`;
 * - nothing is decided from a record that cannot be read.
 */
export class RescheduleOnFailure {
  readonly #options: ReschedulingOptions;
  readonly #failures = new Map<string, Failure>();
  readonly #known = new Set<string>();
  readonly #unreadable = new Set<string>();
  /** Monotonic milliseconds of the next look that was asked for. */
  #wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ReschedulingOptions) {
    this.#options = options;
  }

  /** After the model has been told of the changes. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "state") this.#applyState(change);
      if (change.kind !== "reschedule") continue;
      const { unit, entry } = change;
      this.#unreadable.delete(unit);
      this.#known.delete(unit);
      if (entry.status === "present") this.#known.add(unit);
      if (entry.status === "corrupt") this.#unreadable.add(unit);
    }
  }

  /** `revision`: up to which the model has seen everything. The writes are to be seen before it is asked again. */
  writes(revision: number): readonly EngineWrite[] {
    const { clock } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs >= this.#wakeAtMs) this.#wakeAtMs = Number.POSITIVE_INFINITY;
    // One a unit: it may have failed on several machines, or be over.
    const writes = new Map<string, EngineWrite>();
    for (const failure of this.#failures.values()) {
      const { unit } = failure;
      const record = this.#decide(failure, nowMs, revision);
      if (record !== undefined) writes.set(unit, { op: "reschedule", unit, record });
    }
    for (const unit of this.#known) {
      if (this.#isOver(unit)) writes.set(unit, { op: "forget-reschedule", unit });
    }
    return [...writes.values()];
  }

  #applyState({ machineId, unit, entry }: Extract<Change, { kind: "state" }>): void {
    if (entry.status === "corrupt") return;
    const key = `${machineId}/${unit}`;
    const row = entry.status === "present" ? entry.value : undefined;
    if (row?.active !== "failed" || !row.launched) {
      this.#failures.delete(key);
      return;
    }
    if (this.#failures.has(key)) return;
    const sinceMs = this.#options.clock.monotonic();
    const failure = { unit, machineId, generation: 0, sinceMs, nextLookMs: sinceMs, held: undefined };
    this.#failures.set(key, failure);
  }

  #decide(failure: Failure, nowMs: number, revision: number): Reschedule | undefined {
    const { model, clock, logger } = this.#options;
    const { unit: name, machineId } = failure;
    const unit = model.readableUnit(name);
    const limits = unit?.requirements.reschedule;
    if (unit === undefined || limits === undefined || unit.requirements.global) return undefined;
    const assignment = model.assignment(machineId, name);
    if (unit.target !== "launched" || assignment === undefined || typeof assignment === "string")
      return undefined;
    // Another intent than the one that failed: the machine has yet to act on it.
    if (failure.generation !== assignment.generation) {
      Object.assign(failure, {
        generation: assignment.generation,
        sinceMs: nowMs,
        nextLookMs: nowMs,
        held: undefined,
      });
    }
    const reschedule = rescheduleOf(model, unit);
    const onItsWay = reschedule !== undefined && (assignment.rescheduled ?? 0) < reschedule.order;
    if (onItsWay || this.#unreadable.has(name) || assignment.generation !== unit.generation) return undefined;
    if (nowMs < failure.nextLookMs) {
      this.#lookAt(failure.nextLookMs, nowMs);
      return undefined;
    }
    const recent = recentMoves(reschedule, clock.now() - limits.intervalMs);
    const dueMs = failure.sinceMs + rescheduleDelayMs(recent.length);
    if (nowMs < dueMs) return this.#wait(failure, dueMs, nowMs);
    if (recent.length >= limits.burst) {
      this.#hold(failure, "limit", { moves: recent.length });
      const oldestMs = recent[0]?.atMs ?? 0;
      return this.#wait(failure, nowMs + Math.max(1, oldestMs + limits.intervalMs - clock.now()), nowMs);
    }
    if (!canRunElsewhere(model, unit, machineId)) {
      this.#hold(failure, "no_other_machine", {});
      return this.#wait(failure, nowMs + lookAgainMs, nowMs);
    }
    logger.info("unit_rescheduled", {
      unit: name,
      machine: machineId,
      move: recent.length + 1,
      of: limits.burst,
    });
    const moves = [...recent, { machineId, atMs: clock.now() }];
    return { generation: unit.generation, order: revision + 1, moves };
  }

  /** Counted and said once per failure and reason. */
  #hold(failure: Failure, reason: Held, details: { readonly moves?: number }): void {
    if (failure.held === reason) return;
    failure.held = reason;
    const { unit, machineId: machine } = failure;
    this.#options.held.add({ reason });
    this.#options.logger.warn("unit_not_rescheduled", { unit, machine, reason, ...details });
  }

  #wait(failure: Failure, untilMs: number, nowMs: number): undefined {
    failure.nextLookMs = untilMs;
    this.#lookAt(untilMs, nowMs);
  }

  #lookAt(atMs: number, nowMs: number): void {
    const delayMs = Math.min(atMs - nowMs, longestTimerMs);
    if (nowMs + delayMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = nowMs + delayMs;
    this.#options.again(delayMs);
  }

  /** The unit is gone, or something else is asked of it by now. */
  #isOver(name: string): boolean {
    const { model } = this.#options;
    if (model.unit(name) === undefined) return true;
    const unit = model.readableUnit(name);
    return unit !== undefined && rescheduleOf(model, unit) === undefined;
  }
}

function recentMoves(reschedule: Reschedule | undefined, sinceMs: number): readonly RescheduleMove[] {
  return reschedule?.moves.filter(({ atMs }) => atMs > sinceMs) ?? [];
}
