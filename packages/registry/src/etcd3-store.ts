import { AbortedError, type Clock, type Random } from "@fleet/runtime";
import type { CallOptions } from "@grpc/grpc-js";
import { Etcd3Endpoint, type EtcdCredentials } from "./etcd3-endpoint.ts";
import { neverSent, storeError } from "./etcd3-errors.ts";
import { Etcd3LeaseStream } from "./etcd3-lease-stream.ts";
import { Etcd3Watch } from "./etcd3-watch.ts";
import {
  checkTxnSize,
  type LeaseGrant,
  type LeaseTime,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchRequest,
} from "./store.ts";

export interface Etcd3StoreOptions extends EtcdCredentials {
  /** `http://host:port` or `https://host:port`, all of one kind. */
  readonly endpoints: readonly string[];
  /** etcd_request_timeout: deadline of each call. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  /** Spreads many machines over the endpoints, and makes lease ids: it must differ between processes. */
  readonly random: Random;
}

/**
 * How long a watch may be silent before etcd is asked for a sign of life. Before that, the connection is asked every six
 * seconds (see Etcd3Endpoint), and the watch itself when a call over it has failed: this is for a watch that has died alone. An
 * idle fleetd that asks each watch more often does little else.
 */
const watchProbeAfterMs = 10_000;

/**
 * etcd over the network.
 *
 * Calls go to one endpoint until it fails, then to the next. A failed call is repeated at once on another endpoint only
 * when that cannot carry it out twice: reads, and requests that never left.
 */
export class Etcd3Store implements Store {
  readonly #options: Etcd3StoreOptions;
  readonly #endpoints: readonly Etcd3Endpoint[];
  readonly #watches = new Set<Etcd3Watch>();
  readonly #leaseStreams = new Map<Etcd3Endpoint, Promise<Etcd3LeaseStream>>();
  #current: number;
  #closed = false;

  /** Connects on first use. Throws StoreError when there is no endpoint. */
  constructor(options: Etcd3StoreOptions) {
    if (options.endpoints.length === 0) throw new StoreError("etcd_failed", "no etcd endpoint given");
    this.#options = options;
    this.#endpoints = options.endpoints.map(
      (address) => new Etcd3Endpoint(address, options, () => this.#deadline()),
    );
    this.#current = Math.floor(options.random() * this.#endpoints.length);
  }

  range(request: RangeRequest): Promise<RangeResult> {
    return this.#call("repeatable", (endpoint, options) => endpoint.range(request, options));
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    checkTxnSize(request);
    const operations = [...request.success, ...(request.failure ?? [])];
    const kind = operations.every(({ op }) => op === "get") ? "repeatable" : "once";
    return await this.#call(kind, (endpoint, options) => endpoint.txn(request, options));
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchBatch, never> {
    if (signal.aborted) throw new AbortedError(signal.reason);
    if (this.#closed) throw closedError();
    const index = this.#current;
    const endpoint = this.#endpoint(index);
    let watch: Etcd3Watch | undefined;
    try {
      const { clock, requestTimeoutMs } = this.#options;
      const timing = { clock, probeAfterMs: watchProbeAfterMs, answerWithinMs: requestTimeoutMs };
      watch = new Etcd3Watch(await endpoint.watch(), endpoint.address, timing);
      this.#watches.add(watch);
      return yield* watch.batches(request, signal);
    } catch (error) {
      const failure = storeError(error, endpoint.address);
      if (failure instanceof StoreError && failure.retryable) this.#turnFrom(index);
      throw failure instanceof StoreError
        ? await this.#unlessTokenExpired(failure, index, request.from)
        : failure;
    } finally {
      watch?.close();
      if (watch !== undefined) this.#watches.delete(watch);
    }
  }

  leaseGrant(ttlMs: number): Promise<LeaseGrant> {
    return this.#call("once", async ({ lease }, options) => {
      // Chosen here because etcd's own ids exceed 2^53, and the library rounds such numbers, without a word, wherever
      // the package it reads them with is not found at run time.
      const id = String(1 + Math.floor(this.#options.random() * (2 ** 52 - 1)));
      const answer = await lease.leaseGrant({ ID: id, TTL: Math.ceil(ttlMs / 1000) }, options);
      return { leaseId: id, ttlMs: Number(answer.TTL) * 1000 };
    });
  }

  leaseKeepAlive(leaseId: string): Promise<void> {
    // Renewing twice does no harm.
    return this.#call("repeatable", async (endpoint) => {
      const answer = await (await this.#leaseStream(endpoint)).renew(leaseId);
      if (Number(answer.TTL) <= 0)
        throw new StoreError("etcd_lease_not_found", `lease ${leaseId} is not held`);
    });
  }

  leaseTimeToLive(leaseId: string): Promise<LeaseTime | undefined> {
    return this.#call("repeatable", async ({ lease }, options) => {
      const answer = await lease.leaseTimeToLive({ ID: leaseId }, options);
      const seconds = Number(answer.TTL);
      // -1: there is no such lease (any more). etcd cuts fractions off.
      if (seconds < 0) return undefined;
      return { atMostMs: (seconds + 1) * 1000, ttlMs: Number(answer.grantedTTL) * 1000 };
    });
  }

  leaseRevoke(leaseId: string): Promise<void> {
    return this.#call("repeatable", async ({ lease }, options) => {
      await lease.leaseRevoke({ ID: leaseId }, options);
    }).catch((error: unknown) => {
      if (error instanceof StoreError && error.code === "etcd_lease_not_found") return;
      throw error;
    });
  }

  close(): void {
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
    for (const opening of this.#leaseStreams.values()) {
      opening.then(
        (stream) => stream.close(),
        () => {},
      );
    }
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  /** The one that is open, or else a new one. */
  #leaseStream(endpoint: Etcd3Endpoint): Promise<Etcd3LeaseStream> {
    const open = this.#leaseStreams.get(endpoint);
    if (open !== undefined) return open;
    const { clock, requestTimeoutMs } = this.#options;
    const onOver = (): void => {
      if (this.#leaseStreams.get(endpoint) === opening) this.#leaseStreams.delete(endpoint);
    };
    const opening = endpoint.lease.leaseKeepAlive().then(
      (stream) =>
        new Etcd3LeaseStream(stream, {
          address: endpoint.address,
          clock,
          answerWithinMs: requestTimeoutMs,
          onOver,
        }),
    );
    opening.catch(onOver);
    this.#leaseStreams.set(endpoint, opening);
    return opening;
  }

  /** `repeatable`: carrying it out twice is no different from once. */
  async #call<Answer>(
    kind: "repeatable" | "once",
    call: (endpoint: Etcd3Endpoint, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const options = this.#deadline();
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw closedError();
      const index = this.#current;
      const endpoint = this.#endpoint(index);
      try {
        return await call(endpoint, options);
      } catch (error) {
        const failure = storeError(error, endpoint.address);
        if (!(failure instanceof StoreError) || !failure.retryable) throw failure;
        this.#turnFrom(index);
        const repeatable =
          neverSent(failure) || (kind === "repeatable" && failure.code === "etcd_unavailable");
        if (!repeatable || attempt >= this.#endpoints.length) throw failure;
      }
    }
  }

  #deadline(): { readonly deadline: number } {
    const { clock, requestTimeoutMs } = this.#options;
    return { deadline: clock.now() + requestTimeoutMs };
  }

  #endpoint(index: number): Etcd3Endpoint {
    const endpoint = this.#endpoints[index];
    if (endpoint === undefined) throw closedError();
    return endpoint;
  }

  /** Next endpoint, unless another call that failed has already turned away from this one, whose watches are doubtful now. */
  #turnFrom(index: number): void {
    if (this.#current !== index) return;
    const { address } = this.#endpoint(index);
    for (const watch of this.#watches) if (watch.address === address) watch.probe();
    this.#current = (index + 1) % this.#endpoints.length;
  }

  /** A watch with an expired token is refused like one without permission; only a unary call renews the token. */
  async #unlessTokenExpired(failure: StoreError, index: number, key: string): Promise<StoreError> {
    if (failure.code !== "etcd_denied" || this.#options.username === undefined) return failure;
    try {
      await this.#endpoint(index).refreshToken(key, this.#deadline());
    } catch {
      return failure;
    }
    return new StoreError("etcd_unavailable", "the watch's token had expired", failure);
  }
}

function closedError(): StoreError {
  return new StoreError("etcd_unavailable", "the client was closed");
}
