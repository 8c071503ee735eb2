import { useEffect, useReducer } from "preact/hooks";

/** Tells views that there is something new, at most once a frame however often it is raised. */
export class FrameSignal {
  readonly #listeners = new Set<() => void>();
  #due = false;

  raise(): void {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      for (const listener of this.#listeners) listener();
    });
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Renders the component again at each signal. */
export function useFrames(frame: FrameSignal): void {
  const [, again] = useReducer((count: number, _: undefined) => count + 1, 0);
  useEffect(() => frame.listen(() => again(undefined)), [frame]);
}
