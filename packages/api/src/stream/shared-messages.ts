import type { CancelTimer, Clock } from "@fleet/runtime";
import type { ClusterView } from "../cache/cluster-view.ts";

/** A message for many is made within moments of the first; one that nobody else wants is not kept. */
const keptMs = 1_000;

/**
 * Messages that many streams get alike, as bytes: making them anew for each of hundreds of streams is what a change costs.
 *
 * Invariant: what is kept is of the view and revision that were last asked for, and of the last second.
 */
export class SharedMessages {
  readonly #clock: Clock;
  readonly #messages = new Map<string, Buffer | undefined>();
  #view: ClusterView | undefined;
  #revision = 0;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The message of that key as of the view's revision, made if nobody has asked for it; undefined: there is nothing to tell. */
  get(view: ClusterView, key: string, make: () => Buffer | undefined): Buffer | undefined {
    if (view !== this.#view || view.revision !== this.#revision) {
      this.clear();
      this.#view = view;
      this.#revision = view.revision;
    }
    if (this.#messages.has(key)) return this.#messages.get(key);
    const message = make();
    this.#messages.set(key, message);
    this.#cancel ??= this.#clock.after(keptMs, () => this.clear());
    return message;
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#messages.clear();
    this.#view = undefined;
  }
}
