import { type Assignment, type ClusterModel, type ExclusiveHold, exclusiveWaitMs } from "@fleet/core";
import type { Change, EngineWrite } from "@fleet/registry";
import type { Clock, Logger } from "@fleet/runtime";

/** Timers count milliseconds in 31 bits. */
const longestTimerMs = 2 ** 31 - 1;

export interface ExclusiveHoldsOptions {
  readonly model: ClusterModel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a machine counts as present after it was last heard of. */
  readonly agentTtlMs: number;
  /** Asks for a look at `writes` after this time. */
  readonly again: (delayMs: number) => void;
}

interface Known {
  readonly hold: ExclusiveHold;
  readonly heldAt: number;
  /** Monotonic milliseconds since when the machine has not said that it has the unit; undefined while it does. */
  silentSinceMs: number | undefined;
  /** Monotonic milliseconds of the next look that was asked for. */
  lookAtMs: number;
  /** Registration under which the machine has said that it has the unit. */
  seenUnder: number | undefined;
  /** The machine has said that the unit has ended. */
  ended: boolean;
}

/**
 * Finds out when an exclusive unit has ended where it was, so that it may be placed anew.
 *
 * Invariants:
 * - a hold is released in one of two cases only. The machine has said so: its row of the unit is gone, under a
 *   registration under which the unit's whole life there could be seen. Or nothing has been heard for the TTL (the
 *   fence fires within it), the time its stop may take and a margin, counted from when this engine first saw that;
 * - a machine that has the unit assigned keeps the hold, however long it is away;
 * - what an earlier leader has seen counts for nothing: it is not known how long ago that was.
 */
export class ExclusiveHolds {
  readonly #options: ExclusiveHoldsOptions;
  readonly #holds = new Map<string, Known>();
  /** Machines with a record, and their registrations; undefined: it cannot be read. */
  readonly #registrations = new Map<string, number | undefined>();

  constructor(options: ExclusiveHoldsOptions) {
    this.#options = options;
  }

  /** After the model has been told of the changes. */
  apply(changes: readonly Change[]): void {
    const touched = new Set<string>();
    for (const change of changes) {
      switch (change.kind) {
        case "machine": {
          const { machineId, entry } = change;
          if (entry.status === "absent") this.#registrations.delete(machineId);
          else {
            const registration = entry.status === "present" ? entry.createRevision : undefined;
            this.#registrations.set(machineId, registration);
          }
          for (const [unit, { hold }] of this.#holds) if (hold.machineId === machineId) touched.add(unit);
          break;
        }
        case "exclusive-hold":
          this.#applyHold(change);
          touched.add(change.unit);
          break;
        case "assignment":
        case "state":
          touched.add(change.unit);
          break;
        default:
          break;
      }
    }
    for (const unit of touched) this.#look(unit);
  }

  /** The write that gives the unit to the machine; undefined when it is not exclusive. */
  assignment({ machineId, unit, ...record }: Assignment): EngineWrite | undefined {
    const { model } = this.#options;
    const exclusive = model.readableUnit(unit)?.requirements.exclusive;
    const registration = model.machine(machineId)?.registration;
    if (exclusive === undefined || registration === undefined) return undefined;
    const known = this.#holds.get(unit);
    // Given again to the machine that has it: what it may have been running before is of an earlier time.
    const again = known?.hold.machineId === machineId ? known.hold : undefined;
    return {
      op: "assign-exclusive",
      machineId,
      unit,
      record,
      registration,
      hold: {
        machineId,
        registration: again?.registration ?? registration,
        stopMs: Math.max(again?.stopMs ?? 0, exclusive.stopMs),
      },
      heldAt: known?.heldAt,
    };
  }

  /** Releases what has ended. */
  writes(): readonly EngineWrite[] {
    const { model, logger } = this.#options;
    const writes: EngineWrite[] = [];
    for (const [unit, known] of this.#holds) {
      // It starts the unit as soon as it is back, without asking anybody.
      if (model.isAssigned(known.hold.machineId, unit)) continue;
      if (!known.ended && !this.#hasWaited(known)) continue;
      logger.info("exclusive_released", {
        unit,
        machine: known.hold.machineId,
        reason: known.ended ? "ended" : "waited",
      });
      writes.push({ op: "release-exclusive", unit, heldAt: known.heldAt });
    }
    return writes;
  }

  #applyHold({ unit, entry }: Extract<Change, { kind: "exclusive-hold" }>): void {
    const former = this.#holds.get(unit);
    this.#holds.delete(unit);
    if (entry.status !== "present") return;
    const same = former?.hold.machineId === entry.value.machineId;
    this.#holds.set(unit, {
      hold: entry.value,
      heldAt: entry.modRevision,
      silentSinceMs: undefined,
      lookAtMs: 0,
      seenUnder: same ? former?.seenUnder : undefined,
      ended: false,
    });
  }

  #look(unit: string): void {
    const { model, clock, logger } = this.#options;
    const known = this.#holds.get(unit);
    if (known === undefined) return;
    const { machineId } = known.hold;
    const present = this.#registrations.has(machineId);
    const registration = this.#registrations.get(machineId);
    const row = model.hasState(machineId, unit);
    known.ended = false;
    if (present && (row || model.isAssigned(machineId, unit))) {
      known.silentSinceMs = undefined;
      if (row) known.seenUnder = registration;
      return;
    }
    if (registration !== undefined) {
      // Rows live as long as the registration: one that is not there any more was taken away by the agent.
      known.ended = [known.hold.registration, known.seenUnder].includes(registration);
      if (known.ended) return;
    } else known.seenUnder = undefined;
    if (known.silentSinceMs !== undefined) return;
    known.silentSinceMs = clock.monotonic();
    const waitMs = this.#waitMs(known.hold);
    logger.info("exclusive_waits", { unit, machine: machineId, for_ms: waitMs });
    this.#lookAgain(known, waitMs);
  }

  #hasWaited(known: Known): boolean {
    const { clock } = this.#options;
    if (known.silentSinceMs === undefined) return false;
    const leftMs = known.silentSinceMs + this.#waitMs(known.hold) - clock.monotonic();
    if (leftMs <= 0) return true;
    // Timers may fire a moment early, and none lasts for more than a month.
    if (clock.monotonic() >= known.lookAtMs - 1) this.#lookAgain(known, leftMs);
    return false;
  }

  #lookAgain(known: Known, delayMs: number): void {
    const { clock, again } = this.#options;
    const boundedMs = Math.min(Math.ceil(delayMs) + 1, longestTimerMs);
    known.lookAtMs = clock.monotonic() + boundedMs;
    again(boundedMs);
  }

  #waitMs({ stopMs }: ExclusiveHold): number {
    return exclusiveWaitMs(stopMs, this.#options.agentTtlMs);
  }
}
