import { errorMessage } from "@fleet/runtime";

/** What kind of thing happened, as the first column says it. */
export type EventKind = "fault" | "detection" | "decision" | "running" | "repair" | "note";

interface Verdict {
  readonly promise: string;
  readonly held: boolean;
  readonly figures: string;
}

/**
 * What happens in a drill, printed as it happens, in seconds since the fault; at the end a verdict for each promise.
 *
 * What is told before the fault has no time yet; what is told later, and was before it, a negative one.
 */
export class Timeline {
  readonly name: string;
  readonly #print: (line: string) => void;
  readonly #verdicts: Verdict[] = [];
  #faultAtMs: number | undefined;

  constructor(name: string, print: (line: string) => void) {
    this.name = name;
    this.#print = print;
    print(`\ndrill ${name}`);
  }

  /** Wall-clock milliseconds of the fault. Fails before there was one. */
  get faultAtMs(): number {
    if (this.#faultAtMs === undefined) throw new Error("no fault has been noted yet");
    return this.#faultAtMs;
  }

  get broken(): readonly string[] {
    return this.#verdicts.filter(({ held }) => !held).map(({ promise, figures }) => `${promise}: ${figures}`);
  }

  /** The fault happens now: second 0. Later ones are part of the first. */
  fault(what: string): void {
    this.#faultAtMs ??= Date.now();
    this.event("fault", what);
  }

  event(kind: EventKind, what: string, atMs = Date.now()): void {
    const at = this.#faultAtMs === undefined ? "before" : secondsText(atMs - this.#faultAtMs);
    this.#print(`  ${at.padStart(8)}  ${kind.padEnd(9)}  ${what}`);
  }

  /** A promise of docs/failures.md and whether this drill saw it held, with the figures it is judged by. */
  promise(promise: string, held: boolean, figures: string): void {
    this.#verdicts.push({ promise, held, figures });
  }

  /** Prints the verdicts. `failure`: why the drill was not played to its end. */
  end(failure?: unknown): void {
    if (failure !== undefined) {
      const [reason = ""] = errorMessage(failure).split("\n");
      this.promise("the drill is played to its end", false, reason);
    }
    this.#print(`  verdict of ${this.name}`);
    for (const { promise, held, figures } of this.#verdicts) {
      this.#print(`    ${held ? "held  " : "BROKEN"}  ${promise} (${figures})`);
    }
  }
}

/** `1.2 s` */
export function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
