import { type PendingUnit, type Plan, plan, planningRound, type Step } from "@fleet/core";
import { type ChangeBatch, type EngineWrite, Projection, type Term } from "@fleet/registry";
import {
  AbortedError,
  Backoff,
  type CancelTimer,
  type Clock,
  errorCode,
  errorMessage,
  type FleetError,
  LevelLoop,
  type Logger,
  type Random,
  sleep,
} from "@fleet/runtime";
import { countMachines, type EngineMetrics, type WorkOverview } from "./engine-metrics.ts";
import type { EngineRegistry } from "./engine-port.ts";
import { EventRecorder } from "./event-recorder.ts";
import { ExclusiveHolds } from "./exclusive-holds.ts";
import { Losses, type LossStatus } from "./losses.ts";
import { explanationsAtOnce, PendingReport } from "./pending-report.ts";
import { planWrites } from "./plan-writes.ts";
import { RescheduleOnFailure } from "./rescheduling.ts";
import { SeenRevision } from "./seen-revision.ts";
import { tellFinding, tellSteps } from "./step-report.ts";

export interface LeadingOptions {
  readonly registry: EngineRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  /** The machine this engine runs on. */
  readonly machineId: string;
  /** How long a machine counts as present after it was last heard of. */
  readonly agentTtlMs: number;
  /** See LossGuardOptions. */
  readonly massLossShare: number;
  /** How often everything is planned anew, which must find nothing to do. */
  readonly auditIntervalMs: number;
}

/** Changes applied without a pause. */
const appliedAtOnce = 10_000;
/** Rounds of placements that are on their way to etcd while the next one is planned. */
const roundsUnderWay = 8;
/** Unit files collected per pass. */
const collectedPerPass = 100;
const retryBackoff = { initialMs: 100, maxMs: 5_000 };

/**
 * One term of leading: follow, plan, commit.
 *
 * Invariants:
 * - plans are made only from a model that has seen everything this term has committed so far: what a plan takes
 *   for granted has happened. Plain placements are in the model from when they are decided, and everything else waits
 *   until they are in the registry; when one of them is not, the term ends;
 * - a commit of unknown outcome ends the term: nothing of it can come true after that;
 * - the model belongs to the term: nothing of it outlives leadership;
 * - that a machine is gone counts only once this engine has had etcd for as long as the machine would have had to be
 *   silent: when etcd was out of reach for the engine it may have been for all, and they come back one by one.
 */
export class Leading {
  readonly #options: LeadingOptions;
  readonly #term: Term;
  readonly #projection: Projection;
  readonly #losses: Losses;
  readonly #holds: ExclusiveHolds;
  readonly #rescheduling: RescheduleOnFailure;
  /** Ends of triggers that are still to come. */
  readonly #timers = new Set<CancelTimer>();
  readonly #report: PendingReport;
  readonly #events: EventRecorder;
  readonly #loop: LevelLoop;
  readonly #over = new AbortController();
  /** Of what the model has seen. */
  readonly #seen: SeenRevision;
  #auditDue = false;
  /** Settles when the batch of changes that is being applied has been applied. */
  #applying: Promise<void> | undefined;
  /** How many batches of changes have been applied. */
  #batches = 0;
  /** Placements on their way to etcd; each resolves with the revision reached. */
  #placing: Promise<number>[] = [];
  #expectsReturns: boolean;
  #failure: unknown;

  constructor(term: Term, options: LeadingOptions) {
    const { clock, random, logger } = options;
    this.#options = options;
    this.#term = term;
    this.#projection = new Projection(logger);
    this.#seen = new SeenRevision(clock);
    this.#expectsReturns = clock.monotonic() < term.inTouchSinceMs + options.agentTtlMs;
    this.#events = new EventRecorder({
      ...options,
      model: this.#projection.model,
      write: (write, signal) => options.registry.recordEvents(term, write, signal),
    });
    this.#losses = new Losses({
      ...options,
      note: (event) => this.#events.note(event),
      model: this.#projection.model,
      machines: this.#projection.machines,
      overdue: (machineIds, signal) => options.registry.overdueMachines(machineIds, signal),
      again: (delayMs) => this.#triggerAfter(delayMs),
      expectsReturns: this.#expectsReturns,
    });
    this.#holds = new ExclusiveHolds({
      ...options,
      model: this.#projection.model,
      again: (delayMs) => this.#triggerAfter(delayMs),
    });
    this.#rescheduling = new RescheduleOnFailure({
      ...options,
      model: this.#projection.model,
      held: options.metrics.reschedulesHeld,
      again: (delayMs) => this.#triggerAfter(delayMs),
    });
    this.#report = new PendingReport(this.#projection.model, logger, (unit, causes) =>
      this.#events.waits(unit, causes),
    );
    this.#loop = new LevelLoop({
      name: "plan",
      pass: (signal) => this.#pass(signal),
      clock,
      backoff: new Backoff(retryBackoff, random),
      logger,
    });
  }

  /** Units that wait for a machine, and why. */
  pending(): readonly PendingUnit[] {
    return this.#report.current();
  }

  losses(): LossStatus {
    return this.#losses.status();
  }

  /** For metrics: nothing of it looks at machines for each unit. */
  overview(): WorkOverview {
    const { model } = this.#projection;
    return {
      machines: () => countMachines(model),
      unplaced: () => model.unplaced.size,
      pending: () => this.#report.counts(),
      held: () => this.#losses.status().held?.machines.length ?? 0,
      unsteady: () => this.#losses.status().unsteady.length,
    };
  }

  /** Leads until the signal fires or leadership is lost, then returns. Rejects when a commit failed. */
  async run(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#term.lost, this.#over.signal]);
    const tasks = [
      this.#follow(over),
      this.#loop.run(over),
      this.#events.run(over),
      this.#audit(over),
      this.#expectReturns(over),
    ].map((task) =>
      task.catch((error: unknown) => {
        this.#over.abort();
        if (!(error instanceof AbortedError)) throw error;
      }),
    );
    const results = await Promise.allSettled(tasks);
    for (const cancel of this.#timers) cancel();
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { registry, logger } = this.#options;
    const observer = {
      connected: () => logger.debug("engine_following", { term: this.#term.number }),
      disconnected: (error: FleetError) =>
        logger.warn("engine_disconnected", { code: error.code, message: error.message }),
    };
    for await (const batch of registry.followCluster(signal, observer)) {
      this.#applying = this.#apply(batch, signal);
      await this.#applying;
      this.#applying = undefined;
    }
  }

  /** With pauses when there is much of it: nothing is planned meanwhile, and the lease is renewed. */
  async #apply(batch: ChangeBatch, signal: AbortSignal): Promise<void> {
    for (let from = 0; from < batch.changes.length; from += appliedAtOnce) {
      if (from > 0) await sleep(this.#options.clock, 0, signal);
      this.#projection.applyAll(batch.changes.slice(from, from + appliedAtOnce));
    }
    this.#batches += 1;
    const isFirst = this.#seen.revision === undefined;
    this.#losses.apply(batch.changes, isFirst);
    this.#events.apply(batch.changes, isFirst);
    this.#holds.apply(batch.changes);
    this.#rescheduling.apply(batch.changes);
    this.#seen.advance(batch.revision);
    this.#loop.trigger();
  }

  /** Gives up, when their time is over, the machines that were away when the term began. */
  async #expectReturns(signal: AbortSignal): Promise<void> {
    const { clock, agentTtlMs, logger } = this.#options;
    if (!this.#expectsReturns) return;
    const leftMs = this.#term.inTouchSinceMs + agentTtlMs - clock.monotonic();
    logger.info("engine_expects_machines_back", { for_ms: Math.round(leftMs) });
    await sleep(clock, leftMs, signal);
    this.#expectsReturns = false;
    this.#losses.expectationOver();
    this.#loop.trigger();
  }

  #triggerAfter(delayMs: number): void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      this.#loop.trigger();
    });
    this.#timers.add(cancel);
  }

  async #audit(signal: AbortSignal): Promise<void> {
    const { clock, auditIntervalMs } = this.#options;
    for (;;) {
      await sleep(clock, auditIntervalMs, signal);
      await this.#raiseFormat();
      this.#auditDue = true;
      this.#loop.trigger();
    }
  }

  /**
   * Nothing depends on when: a failure is left to the next time, and machines that may be back soon are waited for. One of
   * them that does not read the later format would be shut out.
   */
  async #raiseFormat(): Promise<void> {
    const { model } = this.#projection;
    if (this.#expectsReturns || model.machineIds().some((machineId) => model.isAway(machineId))) return;
    try {
      await this.#options.registry.raiseFormat(this.#term);
    } catch (error) {
      this.#options.logger.debug("format_not_raised", {
        code: errorCode(error),
        message: errorMessage(error),
      });
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    if (this.#seen.revision === undefined) return;
    const { model } = this.#projection;
    await this.#applying;
    await this.#losses.decide(signal);
    await this.#commit(this.#losses.writes(), signal);
    await this.#reschedule(signal);
    // Steps for what has just changed are no finding: an audit waits for the next pass then.
    const audit = this.#auditDue && !model.isDirty;
    if (audit) {
      this.#auditDue = false;
      model.markAllDirty();
    }
    try {
      const batches = this.#batches;
      while (model.isDirty) {
        await this.#applying;
        const decided = this.#plan(audit);
        if (audit && batches === this.#batches && decided.steps.length > 0)
          tellFinding(decided.steps, this.#options);
        if (decided.steps.length === 0) {
          // What else there is to do, such as renewing the lease, has its turn between any two rounds.
          if (model.isDirty) await sleep(this.#options.clock, 0, signal);
        } else if (decided.kept) await this.#placeMeanwhile(decided, signal);
        else await this.#carryOut(decided, signal);
      }
      await this.#allPlaced(signal);
      // Not waited for: the watch tells that they are gone, and with that who may be placed.
      await this.#commit(this.#holds.writes(), signal);
      await this.#carryOnRestarts(signal);
      await this.#collectBodies(signal);
    } catch (error) {
      model.markAllDirty();
      throw error;
    }
    this.#report.flush();
    this.#events.flush();
  }

  /** One round. An audit looks at every waiting unit; their reasons are known already. */
  #plan(audit: boolean): Plan {
    const { clock, metrics } = this.#options;
    const { model } = this.#projection;
    const begunMs = clock.monotonic();
    const decided = plan(model, model.takeDirty(planningRound.dirty), {
      explanations: audit ? 0 : explanationsAtOnce(model),
      looks: planningRound.looks,
      keepPlacements: true,
    });
    model.putBack(decided.left);
    metrics.planDuration.observe((clock.monotonic() - begunMs) / 1_000, {});
    this.#report.note(decided);
    return decided;
  }

  /** Sends placements off while the next ones are planned. */
  async #placeMeanwhile(decided: Plan, signal: AbortSignal): Promise<void> {
    const placing = this.#commit(planWrites(decided.steps).writes, signal).then((revision) => {
      tellSteps(decided.steps, this.#options);
      this.#events.steps(decided.steps);
      return revision;
    });
    // It is waited for later; until then its failure, which ends the term, is nobody's.
    placing.catch(() => {});
    this.#placing.push(placing);
    if (this.#placing.length >= roundsUnderWay) await this.#placing[this.#placing.length - roundsUnderWay];
    // They are not sent before the event loop has its turn.
    await sleep(this.#options.clock, 0, signal);
  }

  /** Waits until all placements are in the registry, and the model has seen them there. */
  async #allPlaced(signal: AbortSignal): Promise<void> {
    if (this.#placing.length === 0) return;
    const revisions = await Promise.all(this.#placing);
    this.#placing = [];
    await this.#caughtUp(Math.max(...revisions), signal);
  }

  async #carryOut(decided: Plan, signal: AbortSignal): Promise<void> {
    await this.#allPlaced(signal);
    const { writes, cancelled } = planWrites(decided.steps, (assignment) =>
      this.#holds.assignment(assignment),
    );
    const revision = await this.#commit(writes, signal);
    tellSteps(decided.steps, this.#options);
    await this.#caughtUp(revision, signal);
    // Others were planned around these; that they are gone again, or never came, is an event no watch will tell of.
    const refused = decided.steps.flatMap((step) => (this.#wasRefused(step) ? [step.assignment] : []));
    for (const assignment of [...cancelled, ...refused]) {
      this.#projection.model.setAssignment(assignment);
      this.#projection.model.removeAssignment(assignment.machineId, assignment.unit);
    }
    this.#events.steps(decided.steps, [...cancelled, ...refused]);
  }

  /** An exclusive unit is given away only if the machine is still there: once the watch has caught up, the model tells. */
  #wasRefused(step: Step): step is Extract<Step, { kind: "assign" }> {
    if (step.kind !== "assign") return false;
    const { machineId, unit } = step.assignment;
    const { model } = this.#projection;
    return (
      model.readableUnit(unit)?.requirements.exclusive !== undefined && !model.isAssigned(machineId, unit)
    );
  }

  async #commit(writes: readonly EngineWrite[], signal: AbortSignal): Promise<number> {
    if (writes.length === 0) return 0;
    const { metrics } = this.#options;
    const result = await this.#options.registry
      .commit(this.#term, writes, signal)
      .catch((error: unknown): never => {
        if (!signal.aborted) metrics.commits.add({ result: "failed" });
        return this.#giveUp(error, signal);
      });
    metrics.commits.add({ result: result.outcome });
    if (result.outcome === "committed") return result.revision;
    this.#options.logger.warn("engine_fenced", { term: this.#term.number });
    this.#over.abort();
    throw new AbortedError();
  }

  /**
   * It is not known what was written, nor whether some of it is still on its way: it could arrive after what the
   * next plan decides, and assign a unit twice. Ending the term fences it off, and the next one reads all anew.
   */
  #giveUp(error: unknown, signal: AbortSignal): never {
    if (!signal.aborted) this.#failure = error;
    this.#over.abort();
    throw new AbortedError(error);
  }

  /** Not waited for: what is decided here shows in assignments once the request's record has come back. */
  async #carryOnRestarts(signal: AbortSignal): Promise<void> {
    const writes = this.#projection.restartWrites();
    await this.#commit(writes, signal);
    for (const write of writes) {
      if (write.op !== "advance-restart") continue;
      const { state, steps } = write.record;
      this.#options.logger.info("restart_advanced", {
        restart: write.id,
        state,
        under_way: steps.filter((step) => step.state === "restarting").map(({ unit }) => unit),
        ended: steps.filter((step) => step.state !== "restarting").length,
      });
    }
  }

  /** Before planning, which then carries it out. */
  async #reschedule(signal: AbortSignal): Promise<void> {
    const revision = await this.#commit(this.#rescheduling.writes(this.#seen.revision ?? 0), signal);
    await this.#caughtUp(revision, signal);
  }

  async #collectBodies(signal: AbortSignal): Promise<void> {
    const { bodies } = this.#projection;
    const unused = bodies.unused(collectedPerPass);
    if (unused.length === 0) return;
    await this.#commit(
      unused.map(({ hash, modRevision }) => ({ op: "collect-body", hash, modRevision })),
      signal,
    );
    // Not waited for: a body that was not removed because it is in use again makes no event.
    for (const { hash } of unused) bodies.attempted(hash);
    this.#options.logger.debug("bodies_collected", { count: unused.length });
    if (unused.length === collectedPerPass) this.#loop.trigger();
  }

  /**
   * Waits until the model has seen everything up to the revision. Should that take too long, the term ends: the next
   * one begins with a snapshot, perhaps on a machine that is better connected.
   */
  async #caughtUp(revision: number, signal: AbortSignal): Promise<void> {
    await this.#seen.reached(revision, signal).catch((error: unknown): never => this.#giveUp(error, signal));
  }
}
