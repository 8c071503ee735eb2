import { type Clock, sleep } from "@fleet/runtime";
import type { ApiRegistry } from "../registry-port.ts";
import type { ChangeHistory } from "./change-history.ts";
import { sizeOf, type ViewChange, viewChangeOf } from "./view-change.ts";

export interface MissedChangesOptions {
  readonly registry: Pick<ApiRegistry, "replay">;
  readonly clock: Clock;
  readonly history: ChangeHistory;
  /** Longest it may take. */
  readonly timeoutMs: number;
}

/** Names and keys read at most: who has missed more is better off with all there is. */
const mostKeys = 20_000;
/** How often it is looked whether something has come that the reading can end at. */
const jointPollMs = 50;

/**
 * Reads from etcd's own history what has changed after the revision, up to where the history of the view begins. Undefined
 * when etcd has forgotten it, does not answer, or it is too much. Never rejects.
 */
export async function readMissed(
  { registry, clock, history, timeoutMs }: MissedChangesOptions,
  revision: number,
): Promise<readonly ViewChange[] | undefined> {
  const over = new AbortController();
  const cancel = clock.after(timeoutMs, () => over.abort());
  const changes: ViewChange[] = [];
  let size = 0;
  try {
    // In a cluster where nothing happens there may be none; whoever waits is then told everything.
    while (history.joint === undefined) await sleep(clock, jointPollMs, over.signal);
    const { joint } = history;
    for await (const batch of registry.replay(revision + 1, over.signal)) {
      const change = viewChangeOf(batch);
      changes.push(change);
      size += sizeOf(change);
      if (size > mostKeys) return undefined;
      if (batch.revision >= joint) return changes;
    }
  } catch {
    // Whatever it was, the way out is the same, and what ails the store is told where the view is followed.
  } finally {
    cancel();
    over.abort();
  }
  return undefined;
}
