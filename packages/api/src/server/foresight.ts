import { type DryRun, dryRun, explainUnit, type Hypothesis, type UnitExplanation } from "@fleet/core";
import { Pace } from "@fleet/registry";
import { AbortedError, type Clock, FleetError } from "@fleet/runtime";
import { applyPaced } from "../cache/followed.ts";
import type { FollowedCache } from "../cache/followed-cache.ts";
import { ModelView } from "../cache/model-view.ts";
import { message } from "../contract/messages.ts";
import type { ApiRegistry } from "../registry-port.ts";
import { Problem } from "./problem.ts";

export interface ForesightOptions {
  readonly registry: Pick<ApiRegistry, "followCluster">;
  readonly models: FollowedCache<ModelView, void>;
  readonly clock: Clock;
  /** Longest an explanation waits for the store. */
  readonly deadlineMs: number;
  readonly agentTtlMs: number | undefined;
}

export interface DryRunOutcome extends DryRun {
  /** Revision of the store that it was worked out from. */
  readonly revision: number;
  /** Of the units that would wait, the first of many. */
  readonly explanations: readonly UnitExplanation[];
}

/** A dry run reads all of the cluster, and plans until nothing is left. */
const dryRunMs = 20_000;
/** Dry runs under way; they take their turns. */
const mostDryRuns = 4;
/** Waiting units explained in one dry run. */
const mostExplained = 100;

/**
 * Explains units and plans ahead, with the engine's own judgement, pausing so that the process has time for all else.
 *
 * Invariant: what is only supposed happens in a model of its own that is thrown away. Nothing here can write.
 */
export class Foresight {
  readonly agentTtlMs: number | undefined;
  readonly #options: ForesightOptions;
  #dryRuns = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ForesightOptions) {
    this.agentTtlMs = options.agentTtlMs;
    this.#options = options;
  }

  /** Undefined when there is no such unit at `revision`. @throws FleetError `cache_behind` */
  async explain(name: string, revision: number): Promise<UnitExplanation | undefined> {
    const { models, clock, deadlineMs } = this.#options;
    const release = models.hold();
    const ending = new AbortController();
    const cancel = clock.after(deadlineMs, () => ending.abort());
    try {
      await models.reached(revision, deadlineMs);
      return await models.inTurn(async () => {
        // The connection may have broken before its turn came.
        const { view } = models;
        if (view === undefined) throw late();
        return await paced(explainUnit(view.model, name), clock, ending.signal);
      });
    } catch (error) {
      if (error instanceof AbortedError) throw late();
      throw error;
    } finally {
      cancel();
      release();
    }
  }

  /** `suppose` is given the cluster as it is. @throws Problem 503; what `suppose` throws. */
  async dryRun(suppose: (view: ModelView) => Hypothesis): Promise<DryRunOutcome> {
    if (this.#dryRuns >= mostDryRuns) throw new Problem(503, message.tooManyDryRuns);
    this.#dryRuns += 1;
    const run = this.#turn.then(() => this.#dryRun(suppose));
    this.#turn = run.catch(() => {});
    try {
      return await run;
    } finally {
      this.#dryRuns -= 1;
    }
  }

  async #dryRun(suppose: (view: ModelView) => Hypothesis): Promise<DryRunOutcome> {
    const { clock } = this.#options;
    const ending = new AbortController();
    const cancel = clock.after(dryRunMs, () => ending.abort());
    try {
      const view = await this.#fresh(ending.signal);
      const { revision, model } = view;
      const outcome = await paced(dryRun(model, suppose(view)), clock, ending.signal);
      const explanations: UnitExplanation[] = [];
      for (const unit of outcome.waiting.slice(0, mostExplained)) {
        const explanation = await paced(explainUnit(model, unit), clock, ending.signal);
        if (explanation !== undefined) explanations.push(explanation);
      }
      return { ...outcome, revision, explanations };
    } catch (error) {
      if (error instanceof AbortedError) throw new Problem(503, message.dryRunTooLong);
      throw error;
    } finally {
      cancel();
    }
  }

  /** The cluster as it is now, in a model of its own. */
  async #fresh(signal: AbortSignal): Promise<ModelView> {
    const { registry, clock } = this.#options;
    const reading = new AbortController();
    let failure: FleetError | undefined;
    const observer = {
      connected: () => {},
      disconnected: (error: FleetError) => {
        failure = error;
        reading.abort();
      },
    };
    const view = new ModelView();
    try {
      for await (const batch of registry.followCluster(AbortSignal.any([signal, reading.signal]), observer)) {
        await applyPaced(view, batch, clock, signal);
        break;
      }
    } catch (error) {
      throw failure ?? error;
    } finally {
      reading.abort();
    }
    return view;
  }
}

/** Does work that can be paused, with pauses. Rejects with AbortedError once the signal has fired. */
async function paced<Result>(
  work: Generator<void, Result, void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> {
  const pace = new Pace(clock);
  for (;;) {
    const next = work.next();
    if (next.done === true) return next.value;
    if (pace.isOver) await pace.rest(signal);
  }
}

function late(): FleetError {
  return new FleetError("api_deadline", message.etcdAway, { retryable: true });
}
