import {
  type FleetClient,
  positionAfter,
  type WatchDelta,
  type WatchFilter,
  type WatchPosition,
  type WatchSnapshot,
} from "@fleet/api/client";
import { Backoff, errorMessage, sleep, systemRandom } from "@fleet/runtime";
import { isInterrupt, wordedAs } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";

/** What a command that looks on hears. */
export type StreamNews =
  | WatchSnapshot
  | WatchDelta
  /** What is known may be out of date: no daemon answers, or the daemon has lost etcd. A snapshot or delta ends it. */
  | { readonly type: "stale"; readonly reason: string }
  /** Something was missed for good: a snapshot follows, which what went before does not lead to. */
  | { readonly type: "resync" }
  /** The server has no streams; nothing follows. */
  | { readonly type: "unsupported" };

/** Between two attempts to connect again. */
export const retry = { initialMs: 500, maxMs: 10_000 } as const;

/**
 * The cluster's stream for as long as one looks: a stream that ends is taken up again where it ended, on any endpoint that
 * answers, however long it takes. Throws CommandFailure when the first attempt fails, and what the signal has it throw.
 */
export async function* clusterStream(
  call: Invocation,
  filter: Omit<WatchFilter, "since">,
  signal: AbortSignal,
): AsyncGenerator<StreamNews> {
  const client = await call.connect();
  const backoff = new Backoff(retry, systemRandom);
  let since: WatchPosition | undefined;
  await wordedAs((reason) => `Error following the cluster: ${reason}`, findEndpoint(client, signal));
  for (;;) {
    try {
      const resumed = since === undefined ? filter : { ...filter, since };
      for await (const update of client.watch(resumed, signal)) {
        since = positionAfter(update, since);
        if (update.type !== "status") yield update;
        else if (update.status === "resync") yield { type: "resync" };
        else if (update.status === "stale") yield { type: "stale", reason: etcdIsAway(update.message) };
        if (update.type === "unsupported") return;
        backoff.reset();
      }
    } catch (error) {
      if (isInterrupt(error)) throw error;
      yield { type: "stale", reason: errorMessage(error) };
    }
    await sleep(call.clock, backoff.next(), signal);
    // In vain while nobody answers: the next attempt says why.
    await findEndpoint(client, signal).catch(throwInterrupt);
  }
}

/** A stream goes to the endpoint that requests go to; a request goes on to the next one when that cannot be reached. */
async function findEndpoint(client: FleetClient, signal: AbortSignal): Promise<void> {
  await client.massLoss(signal);
}

function throwInterrupt(error: unknown): void {
  if (isInterrupt(error)) throw error;
}

function etcdIsAway(message: string | undefined): string {
  return `the daemon has lost its connection to etcd${message === undefined ? "" : `: ${message}`}`;
}
