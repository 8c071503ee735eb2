import type { CancelTimer, Clock } from "@fleet/runtime";
import type { IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from "etcd3";
import { storeError } from "./etcd3-errors.ts";
import { StoreError } from "./store.ts";

type Stream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

export interface LeaseStreamOptions {
  readonly address: string;
  readonly clock: Clock;
  /** An answer must come within this. */
  readonly answerWithinMs: number;
  /** The stream is over: nothing is to be asked over it any more. */
  readonly onOver: () => void;
}

interface Renewal {
  readonly resolve: (answer: ILeaseKeepAliveResponse) => void;
  readonly reject: (error: unknown) => void;
  readonly cancelTimer: CancelTimer;
}

/**
 * Renews leases over one stream that stays open. To open one for each renewal took more than half of the CPU that a leader
 * with nothing to do needs.
 *
 * Invariants:
 * - etcd answers in the order it was asked: what comes is the answer to the renewal that has waited for longest;
 * - an answer that is late ends the stream, so that it is never taken for that of a later renewal.
 */
export class Etcd3LeaseStream {
  readonly #stream: Stream;
  readonly #options: LeaseStreamOptions;
  readonly #waiting: Renewal[] = [];
  #failure: unknown;

  constructor(stream: Stream, options: LeaseStreamOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on("data", (answer) => this.#answered(answer));
    stream.on("error", (error) => this.#fail(storeError(error, options.address)));
    stream.on("end", () => this.#fail(new StoreError("etcd_unavailable", "etcd ended the stream")));
  }

  /** Rejects with StoreError; the lease may have been renewed all the same. */
  renew(leaseId: string): Promise<ILeaseKeepAliveResponse> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { address, clock, answerWithinMs } = this.#options;
    return new Promise((resolve, reject) => {
      const cancelTimer = clock.after(answerWithinMs, () => {
        const late = `etcd at ${address} has not renewed a lease for ${answerWithinMs} ms`;
        this.#end(new StoreError("etcd_timeout", late));
      });
      this.#waiting.push({ resolve, reject, cancelTimer });
      this.#stream.write({ ID: leaseId });
    });
  }

  close(): void {
    this.#end(new StoreError("etcd_unavailable", "the client was closed"));
  }

  #answered(answer: ILeaseKeepAliveResponse): void {
    const renewal = this.#waiting.shift();
    renewal?.cancelTimer();
    renewal?.resolve(answer);
  }

  #end(failure: StoreError): void {
    if (this.#failure !== undefined) return;
    this.#fail(failure);
    // Ended first: the library takes an error on a writable stream for a failure of the host.
    this.#stream.end();
    this.#stream.cancel();
  }

  #fail(failure: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    for (const { reject, cancelTimer } of this.#waiting.splice(0)) {
      cancelTimer();
      reject(failure);
    }
    this.#options.onOver();
  }
}
