import type { PendingUnit } from "@fleet/core";
import type { Term } from "@fleet/registry";
import {
  Backoff,
  type Clock,
  errorCode,
  errorMessage,
  type Logger,
  type Metrics,
  type Random,
  silentMetrics,
  sleep,
} from "@fleet/runtime";
import { type EngineMetrics, engineMetrics, type TermOverview } from "./engine-metrics.ts";
import type { EngineRegistry } from "./engine-port.ts";
import { Leading } from "./leading.ts";
import type { LossStatus } from "./losses.ts";

export interface EngineOptions {
  readonly registry: EngineRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Silent unless given. */
  readonly metrics?: Metrics;
  /** The machine this engine runs on. */
  readonly machineId: string;
  /** How long a leader that has died may block its successor; etcd's minimum is 2 s. */
  readonly leaderTtlMs: number;
  /** How long a machine counts as present after it was last heard of. */
  readonly agentTtlMs: number;
  /** More than this share of the machines must vanish within `agentTtlMs` to be held; 1: never. 0.5 unless given. */
  readonly massLossShare?: number;
  /** 60 s unless given. */
  readonly auditIntervalMs?: number;
}

export interface EngineStatus {
  /** Undefined while another engine leads. */
  readonly term: number | undefined;
  /** Units waiting for a machine, by name; empty while another engine leads. */
  readonly pending: readonly PendingUnit[];
  /** Undefined while another engine leads. */
  readonly losses: LossStatus | undefined;
}

/**
 * The scheduler of the cluster. Every fleetd runs one; the elected one decides who runs what and writes it down
 * as assignments, and nobody else writes those. It never talks to agents.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #metrics: EngineMetrics;
  #leading: { readonly term: number; readonly sinceMs: number; readonly work: Leading } | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#metrics = engineMetrics(options.metrics ?? silentMetrics, () => this.#overview());
  }

  /** For dumps and explanations; looks at every machine for each waiting unit. */
  status(): EngineStatus {
    return { term: this.#leading?.term, pending: this.pending(), losses: this.#leading?.work.losses() };
  }

  pending(): readonly PendingUnit[] {
    return this.#leading?.work.pending() ?? [];
  }

  /** Campaigns and leads, over and over, until the signal fires; then steps down and returns. */
  async run(signal: AbortSignal): Promise<void> {
    const { registry, clock, random, logger, machineId, leaderTtlMs } = this.#options;
    const backoff = new Backoff({ initialMs: 500, maxMs: 10_000 }, random);
    while (!signal.aborted) {
      const term = await this.#elected(
        registry.leadership.campaign({ machineId, ttlMs: leaderTtlMs }, signal),
        signal,
      );
      if (term === undefined) return;
      try {
        await this.#lead(term, signal);
        backoff.reset();
      } catch (error) {
        logger.error("leading_failed", { code: errorCode(error), message: errorMessage(error) });
        await this.#resign(term);
        await sleep(clock, backoff.next(), signal).catch(() => {});
      }
    }
  }

  #overview(): TermOverview | undefined {
    if (this.#leading === undefined) return undefined;
    const { term, sinceMs, work } = this.#leading;
    return { number: term, since: sinceMs / 1_000, work: work.overview() };
  }

  /** Undefined when the campaign ended because the signal fired. */
  async #elected(campaign: Promise<Term>, signal: AbortSignal): Promise<Term | undefined> {
    try {
      return await campaign;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  async #lead(term: Term, signal: AbortSignal): Promise<void> {
    const { registry, clock, random, logger, machineId, agentTtlMs } = this.#options;
    const { massLossShare = 0.5, auditIntervalMs = 60_000 } = this.#options;
    const work = new Leading(term, {
      registry,
      clock,
      random,
      logger: logger.child({ term: term.number }),
      metrics: this.#metrics,
      machineId,
      agentTtlMs,
      massLossShare,
      auditIntervalMs,
    });
    this.#leading = { term: term.number, sinceMs: clock.now(), work };
    this.#metrics.terms.add({});
    try {
      await work.run(signal);
    } finally {
      this.#leading = undefined;
    }
    if (!term.lost.aborted) await this.#resign(term);
  }

  /** A successor need not wait for the lease to run out. */
  async #resign(term: Term): Promise<void> {
    try {
      await term.resign();
    } catch (error) {
      this.#options.logger.warn("resign_failed", { code: errorCode(error), message: errorMessage(error) });
    }
  }
}
