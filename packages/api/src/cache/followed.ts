import type { ChangeBatch } from "@fleet/registry";
import { type Clock, sleep } from "@fleet/runtime";

/** What is made of the store's content, batch by batch. */
export interface Followed<Change> {
  /** Revision of the last batch; 0 before the first. */
  readonly revision: number;
  apply(batch: ChangeBatch): Change;
}

/** Changes applied without a pause. */
const appliedAtOnce = 5_000;

/** Applies a batch that may be all there is, with pauses. Rejects with AbortedError as soon as the signal fires. */
export async function applyPaced(
  view: Followed<unknown>,
  { revision, changes }: ChangeBatch,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let from = 0;
  for (; changes.length - from > appliedAtOnce; from += appliedAtOnce) {
    view.apply({ revision: 0, changes: changes.slice(from, from + appliedAtOnce) });
    await sleep(clock, 0, signal);
  }
  view.apply({ revision, changes: changes.slice(from) });
}
