import {
  AbortedError,
  Backoff,
  type Clock,
  errorCode,
  errorMessage,
  FleetError,
  type Logger,
  type Random,
  sleep,
  throwIfAborted,
} from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { leaderCodec } from "./records.ts";
import type { KeyValue, Store } from "./store.ts";

export interface Candidate {
  readonly machineId: string;
  /** How long a leader that has died may block its successor; at least etcd's minimum, 2 s. */
  readonly ttlMs: number;
}

/** One time of leading. */
export interface Term {
  /** Create revision of the `leader` key: every write of this term compares it. */
  readonly number: number;
  /** Fires when leadership is no longer certain; writes are refused by the store soon after. */
  readonly lost: AbortSignal;
  /**
   * Monotonic milliseconds since when this candidate has had etcd without interruption. What went away before that
   * may only have been out of reach, or be on its way up as this process just was (a power cut of everything).
   */
  readonly inTouchSinceMs: number;
  /** Steps down at once. Rejects with StoreError when etcd could not be told: the lease then runs out. */
  resign(): Promise<void>;
}

export interface LeadershipOptions {
  readonly store: Store;
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * When a leader goes, each standby waits a random part of this before it looks whether the place is still free:
 * thousands of them must not all write at once, and with few of them nobody waits long.
 */
const spreadMs = 300;

const retryBackoff = { initialMs: 100, maxMs: 2_000 };

/**
 * Election of one engine.
 *
 * Whoever creates the `leader` key, on a lease of its own, leads; the key's create revision fences what it writes.
 * Two may believe that they lead for a moment; only one of them can change anything.
 */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #keepers = new Map<number, LeaseKeeper>();
  /** See Term; undefined while etcd is out of reach. */
  #inTouchSinceMs: number | undefined;
  /** Of the last term here that could not be renewed: etcd may still hold it. */
  #lostLease: string | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /**
   * Waits until elected. Rejects with AbortedError only: while etcd is away or the cluster frozen it waits too.
   */
  async campaign(candidate: Candidate, signal: AbortSignal): Promise<Term> {
    const { clock, random, logger } = this.#options;
    const backoff = new Backoff(retryBackoff, random);
    let failing = false;
    for (;;) {
      throwIfAborted(signal);
      try {
        const term = await this.#attempt(candidate, signal);
        failing = false;
        backoff.reset();
        if (term !== undefined) return term;
      } catch (error) {
        if (signal.aborted) throw new AbortedError(signal.reason);
        this.#inTouchSinceMs = undefined;
        if (!failing) {
          logger.warn("campaign_failing", { code: errorCode(error), message: errorMessage(error) });
        }
        failing = true;
        await sleep(clock, backoff.next(), signal);
      }
    }
  }

  /** A write of this term was refused because the `leader` key is not its own any more. */
  deposed(termNumber: number): void {
    this.#keepers.get(termNumber)?.fail(new FleetError("fenced", "another engine leads"));
  }

  /** One round: waits for the place to be free, then tries to take it. Undefined: somebody else was faster. */
  async #attempt(candidate: Candidate, signal: AbortSignal): Promise<Term | undefined> {
    const { store, guard, keys, clock, random } = this.#options;
    if (guard.reseeding) await this.#seeded();
    const { rows, revision } = await guard.range({ from: keys.leader() });
    this.#inTouchSinceMs ??= clock.monotonic();
    const [holder] = rows;
    if (holder === undefined) return await this.#run(candidate, signal);
    if (holder.leaseId === this.#lostLease) {
      // A leader that etcd's members elect anew prolongs every lease: our own would keep everybody waiting.
      await store.leaseRevoke(holder.leaseId);
      return undefined;
    }
    await this.#vacant(revision, signal);
    await sleep(clock, random() * spreadMs, signal);
    return undefined;
  }

  /** Whoever led now would take what has not been told yet for what nobody wants. */
  async #seeded(): Promise<void> {
    const { guard } = this.#options;
    await guard.verify();
    if (!guard.reseeding) return;
    throw new FleetError(
      "cluster_reseeding",
      "the cluster is being seeded anew: nobody leads until that is done",
      {
        retryable: true,
      },
    );
  }

  /** Watches the `leader` key only: a standby must cost nothing. */
  async #vacant(revision: number, signal: AbortSignal): Promise<void> {
    const { store, keys } = this.#options;
    const request = { from: keys.leader(), fromRevision: revision + 1 };
    for await (const batch of store.watch(request, signal)) {
      if (batch.events.at(-1)?.type === "delete") return;
    }
  }

  async #run(candidate: Candidate, signal: AbortSignal): Promise<Term | undefined> {
    const { store, guard, keys, clock } = this.#options;
    const { epochOver } = guard;
    // The data format may have risen, while this machine was away, to one that it does not read.
    await guard.verify();
    const grantSentAtMs = clock.monotonic();
    const grant = await store.leaseGrant(candidate.ttlMs);
    const keeper = new LeaseKeeper({ store, clock, grant, grantSentAtMs });
    const key = keys.leader();
    try {
      throwIfAborted(signal);
      const result = await guard.txn({
        compares: [{ key, test: "absent" }],
        success: [
          {
            op: "put",
            key,
            value: leaderCodec.encode({ machineId: candidate.machineId }),
            leaseId: grant.leaseId,
          },
        ],
        failure: [{ op: "get", from: key }],
      });
      const number = result.succeeded ? result.revision : ownTerm(result.results[0]?.[0], grant.leaseId);
      if (number !== undefined) return this.#begin(keeper, number, epochOver);
    } catch (error) {
      // Whether the key was written is unknown: a lease left behind would block everyone until it ends.
      await this.#abandon(keeper);
      throw error;
    }
    await this.#abandon(keeper);
    return undefined;
  }

  #begin(keeper: LeaseKeeper, number: number, epochOver: AbortSignal): Term {
    const { logger } = this.#options;
    this.#keepers.set(number, keeper);
    const inTouchSinceMs = this.#inTouchSinceMs ?? this.#options.clock.monotonic();
    keeper.lost.addEventListener("abort", () => {
      this.#keepers.delete(number);
      if (errorCode(keeper.lost.reason) === "lease_lost") {
        this.#inTouchSinceMs = undefined;
        this.#lostLease = keeper.leaseId;
      }
      logger.warn("leadership_lost", { term: number, message: errorMessage(keeper.lost.reason) });
    });
    keeper.start();
    keeper.endWith(epochOver);
    logger.info("leadership_won", { term: number });
    return {
      number,
      lost: keeper.lost,
      inTouchSinceMs,
      resign: async () => {
        this.#keepers.delete(number);
        await keeper.revoke();
      },
    };
  }

  /** The lease ends by itself when etcd cannot be told; there is nothing more to do about it. */
  async #abandon(keeper: LeaseKeeper): Promise<void> {
    await keeper.revoke().catch((error: unknown) => {
      this.#options.logger.debug("lease_left_to_expire", { code: errorCode(error) });
    });
  }
}

/** A write that was carried out twice (a lost reply) fails its second compare: the key's lease tells. */
function ownTerm(row: KeyValue | undefined, leaseId: string): number | undefined {
  return row !== undefined && row.leaseId === leaseId ? row.createRevision : undefined;
}
