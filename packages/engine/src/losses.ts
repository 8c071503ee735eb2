import type { ClusterModel } from "@fleet/core";
import type { Change, EngineWrite, MassLossRecord } from "@fleet/registry";
import { type Clock, errorCode, errorMessage, type Logger } from "@fleet/runtime";
import type { ClusterEvent } from "./cluster-event.ts";
import { Damping } from "./damping.ts";
import type { EngineMetrics } from "./engine-metrics.ts";
import { LossGuard } from "./loss-guard.ts";
import type { MachineProjection } from "./machine-projection.ts";

export interface LossesOptions {
  readonly model: ClusterModel;
  readonly machines: MachineProjection;
  /** Those of these machines that have missed a renewal of their lease. */
  readonly overdue: (machineIds: readonly string[], signal: AbortSignal) => Promise<ReadonlySet<string>>;
  /** Has `decide` called after so long. */
  readonly again: (delayMs: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  readonly agentTtlMs: number;
  /** See LossGuardOptions; 1 never holds anything. */
  readonly massLossShare: number;
  /** Hears which machines are given up and for how many that is held back. */
  readonly note: (event: ClusterEvent) => void;
  /** Nothing that is away is lost before `expectationOver` is called. */
  readonly expectsReturns: boolean;
}

/** What is known of machines that are, or were, away. */
export interface LossStatus {
  /** Undefined while nothing is held. */
  readonly held: MassLossRecord | undefined;
  /** Machines that were lost again and again, and for how many more milliseconds they count as unsteady. */
  readonly unsteady: readonly { readonly machine: string; readonly forMs: number }[];
}

/** How often, in parts of agent_ttl, it is looked whether overdue machines have renewed or vanished. */
const looksPerTtl = 8;
/** Of more machines than these, so many tell what share of all is overdue, give or take a tenth. */
const mostSurveyed = 256;
/**
 * For so long, in parts of agent_ttl, the answer holds: where one fault has hit many machines, they all are overdue a sixth
 * of agent_ttl before the first of them vanishes.
 */
const surveysPerTtl = 12;

/**
 * Decides what becomes of machines that vanish: lost, so that what they ran is placed elsewhere, or held.
 *
 * Invariants:
 * - every machine without a record that had one, or has assignments, is held until it is decided about;
 * - which machines are held for a mass loss is in the registry, written by `writes`, and taken over from there: a new
 *   leader, which cannot know what vanished when, goes on holding them;
 * - a loss that was confirmed is not held again until the machine has been back.
 */
export class Losses {
  readonly #options: LossesOptions;
  readonly #guard: LossGuard;
  readonly #damping = new Damping();
  /** Away machines that have been counted as vanished. */
  readonly #counted = new Set<string>();
  #expecting: boolean;
  #record: MassLossRecord | undefined;
  /** The record as it was last read or written. */
  #stored: string | undefined;
  #confirmed: { readonly machines: Set<string>; readonly modRevision: number } | undefined;
  /** Mod revision of the confirmed losses that are to be forgotten already. */
  #forgotten: number | undefined;
  #open = false;
  /** The share of the machines that was overdue when they were last asked about. */
  #survey: { readonly atMs: number; readonly share: number } | undefined;

  constructor(options: LossesOptions) {
    this.#options = options;
    this.#guard = new LossGuard({ share: options.massLossShare, windowMs: options.agentTtlMs });
    this.#expecting = options.expectsReturns;
  }

  status(): LossStatus {
    const nowMs = this.#options.clock.monotonic();
    const unsteady = [...this.#damping.unsteady(nowMs)].map(([machine, untilMs]) => {
      return { machine, forMs: Math.round(untilMs - nowMs) };
    });
    return { held: this.#record, unsteady };
  }

  /** A batch of changes, which the machines know of already. `first`: it is all there is. */
  apply(changes: readonly Change[], first: boolean): void {
    const { machines, logger } = this.#options;
    for (const change of changes) this.#applyChange(change, first);
    if (first) {
      machines.hold(
        changes.flatMap((change) => (change.kind === "assignment" ? [change.machineId] : [])),
        "awaited",
      );
      machines.hold(this.#record?.machines ?? [], "mass_loss");
      if (this.#record !== undefined) logger.warn("mass_loss_held", wordsOf(this.#record));
    }
    this.#count();
  }

  /** Whatever is away from now on may be lost. */
  expectationOver(): void {
    this.#expecting = false;
    this.#count();
  }

  /** Gives machines up, or holds them. Rejects with AbortedError. */
  async decide(signal: AbortSignal): Promise<void> {
    this.#giveUpConfirmed();
    if (!this.#expecting) await this.#judge(signal);
    this.#dropReturned();
    this.#publishUnsteady();
  }

  /** What is to be remembered of all that; to be written before any plan that rests on it. */
  writes(): readonly EngineWrite[] {
    const writes: EngineWrite[] = [];
    const text = textOf(this.#record);
    if (text !== this.#stored) {
      this.#stored = text;
      writes.push({ op: "hold-losses", record: this.#record });
    }
    const confirmed = this.#confirmed;
    if (confirmed === undefined || this.#forgotten === confirmed.modRevision) return writes;
    const { machines, model } = this.#options;
    const done = [...confirmed.machines].every(
      (id) => machines.hasRecord(id) || (!model.isAway(id) && model.assignedOn(id).size === 0),
    );
    if (done) {
      this.#forgotten = confirmed.modRevision;
      writes.push({ op: "forget-confirmed-losses", modRevision: confirmed.modRevision });
    }
    return writes;
  }

  #applyChange(change: Change, first: boolean): void {
    switch (change.kind) {
      case "machine":
        if (change.entry.status === "absent") return;
        this.#guard.settled(change.machineId);
        this.#counted.delete(change.machineId);
        // Should it vanish again, that is another loss.
        this.#confirmed?.machines.delete(change.machineId);
        return;
      case "mass-loss": {
        const { entry } = change;
        // One that cannot be read is simply written again: it is the engine's own word.
        const record = entry.status === "present" ? entry.value : undefined;
        this.#stored = entry.status === "corrupt" ? "unreadable" : textOf(record);
        if (first) this.#record = record;
        return;
      }
      case "confirmed-losses": {
        const { entry } = change;
        const readable = entry.status === "present";
        this.#confirmed = readable
          ? { machines: new Set(entry.value.machines), modRevision: entry.modRevision }
          : undefined;
        return;
      }
      default:
    }
  }

  /** While machines are expected back, none counts as vanished. */
  #count(): void {
    if (this.#expecting) return;
    const { machines, clock, metrics, logger } = this.#options;
    const nowMs = clock.monotonic();
    for (const machine of machines.held("awaited")) {
      if (this.#counted.has(machine)) continue;
      this.#counted.add(machine);
      this.#guard.vanished(machine, nowMs);
      metrics.machineLosses.add({});
      if (!this.#damping.lost(machine, nowMs)) continue;
      const untilMs = this.#damping.until(machine, nowMs) ?? nowMs;
      logger.warn("machine_unsteady", { machine, for_ms: Math.round(untilMs - nowMs) });
      this.#options.again(untilMs - nowMs);
    }
  }

  async #judge(signal: AbortSignal): Promise<void> {
    const { machines, clock, agentTtlMs, logger } = this.#options;
    const away = machines.held("awaited").length;
    if (away === 0) {
      this.#open = false;
      return;
    }
    const watched = this.#guard.watches(machines.staying().length + away);
    const share = watched ? await this.#overdueShare(signal) : 0;
    // Others may have vanished, or come back, while etcd was being asked.
    const vanished = machines.held("awaited");
    const present = machines.staying().length;
    const late = Math.round(share * present);
    const verdict = this.#guard.verdict(present, late, clock.monotonic());
    if (verdict.verdict === "open") {
      if (!this.#open) logger.info("losses_awaited", { vanished: vanished.length, overdue: late });
      this.#open = true;
      this.#options.again(agentTtlMs / looksPerTtl);
      return;
    }
    this.#open = false;
    if (verdict.verdict === "mass_loss") this.#hold(vanished, verdict);
    else {
      for (const machine of vanished) {
        logger.info("machine_lost", { machine });
        this.#options.note({ kind: "machine-lost", machineId: machine, reason: "silent" });
      }
      machines.giveUp(vanished);
    }
  }

  async #overdueShare(signal: AbortSignal): Promise<number> {
    const { machines, clock, agentTtlMs, overdue } = this.#options;
    const atMs = clock.monotonic();
    if (this.#survey !== undefined && atMs < this.#survey.atMs + agentTtlMs / surveysPerTtl) {
      return this.#survey.share;
    }
    try {
      const asked = evenly(machines.staying(), mostSurveyed);
      const late = await overdue(asked, signal);
      const present = asked.filter((machineId) => machines.hasRecord(machineId));
      const count = present.filter((machineId) => late.has(machineId)).length;
      this.#survey = { atMs, share: count / Math.max(1, present.length) };
      return this.#survey.share;
    } catch (error) {
      if (signal.aborted) throw error;
      // Then what has vanished already must do.
      this.#options.logger.warn("lease_survey_failed", {
        code: errorCode(error),
        message: errorMessage(error),
      });
      return 0;
    }
  }

  #hold(
    fresh: readonly string[],
    { vanished, of }: { readonly vanished: number; readonly of: number },
  ): void {
    const { machines, clock, metrics, logger } = this.#options;
    machines.hold(fresh, "mass_loss");
    const held = machines.held("mass_loss");
    const known = this.#record;
    if (known === undefined) {
      this.#record = { atMs: Math.round(clock.now()), vanished, of, machines: held };
      metrics.massLosses.add({});
      this.#options.note({ kind: "losses-held", vanished, of });
      logger.warn("mass_loss_held", wordsOf(this.#record));
    } else {
      const total = known.vanished + fresh.length;
      this.#record = { ...known, vanished: total, of: Math.max(known.of, total), machines: held };
    }
  }

  #giveUpConfirmed(): void {
    const { machines, logger } = this.#options;
    const away = new Set([...machines.held("mass_loss"), ...machines.held("awaited")]);
    const lost = [...(this.#confirmed?.machines ?? [])].filter((machineId) => away.has(machineId));
    if (lost.length === 0) return;
    machines.giveUp(lost);
    for (const machineId of lost) {
      this.#guard.settled(machineId);
      this.#options.note({ kind: "machine-lost", machineId, reason: "confirmed" });
    }
    logger.info("mass_loss_confirmed", { machines: lost });
  }

  #dropReturned(): void {
    if (this.#record === undefined) return;
    const held = this.#options.machines.held("mass_loss");
    if (held.length === this.#record.machines.length) return;
    if (held.length === 0) {
      this.#options.logger.info("mass_loss_over", {});
      this.#options.note({ kind: "losses-released" });
    }
    this.#record = held.length === 0 ? undefined : { ...this.#record, machines: held };
  }

  #publishUnsteady(): void {
    const { machines, clock } = this.#options;
    machines.setUnsteady(new Set(this.#damping.unsteady(clock.monotonic()).keys()));
  }
}

/** At most so many of the items, spread evenly over all. */
function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]).flatMap(
    (item) => (item === undefined ? [] : [item]),
  );
}

/** Only the fields that are meant to be written, in their order. */
function textOf(record: MassLossRecord | undefined): string | undefined {
  if (record === undefined) return undefined;
  const { atMs, vanished, of, machines } = record;
  return JSON.stringify({ atMs, vanished, of, machines });
}

function wordsOf({ vanished, of, machines }: MassLossRecord) {
  return { vanished, of, machines, confirm_with: "fleetctl confirm-loss" };
}
