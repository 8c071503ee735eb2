import { Worker } from "node:worker_threads";

export interface HuntOptions {
  /** What workers run. */
  readonly program: URL;
  readonly workers: number;
  readonly firstSeed: number;
  /** Infinity: until the time is over. */
  readonly lastSeed: number;
  /** Real time after which no further seed is begun. */
  readonly durationMs: number;
  readonly stopAtFirst: boolean;
  readonly onFailure: (failure: Failure) => void;
  readonly onTrace: (line: string) => void;
}

export interface Failure {
  readonly seed: number;
  readonly reason: string;
  /** With the trace. */
  readonly message: string;
}

export interface HuntReport {
  readonly seeds: number;
  readonly steps: number;
  readonly seconds: number;
  readonly simulatedHours: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
}

type Told =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "alive" }
  | {
      readonly kind: "done";
      readonly seed: number;
      readonly counts: ReadonlyMap<string, number>;
      readonly simulatedMs: number;
      readonly steps: number;
    }
  | ({ readonly kind: "failed" } & Failure);

/** A step takes milliseconds: a worker that says nothing for so long turns round without end. */
const silenceMs = 60_000;
const keptTrace = 40;

/** Runs seeds in workers, so that one which never ends is told of instead of waited for. */
export class Hunt {
  readonly #options: HuntOptions;
  readonly #counts = new Map<string, number>();
  readonly #failures: Failure[] = [];
  #next: number;
  #seeds = 0;
  #steps = 0;
  #simulatedMs = 0;
  #endsAtMs = 0;

  constructor(options: HuntOptions) {
    this.#options = options;
    this.#next = options.firstSeed;
  }

  async run(): Promise<HuntReport> {
    const { workers, durationMs } = this.#options;
    const begunMs = performance.now();
    this.#endsAtMs = begunMs + durationMs;
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
    return {
      seeds: this.#seeds,
      steps: this.#steps,
      seconds: (performance.now() - begunMs) / 1000,
      simulatedHours: this.#simulatedMs / 3_600_000,
      counts: this.#counts,
      failures: this.#failures.toSorted((left, right) => left.seed - right.seed),
    };
  }

  /** Begins no further seed. */
  stop(): void {
    this.#endsAtMs = 0;
  }

  /** One worker after the other: one that hangs is replaced. */
  async #work(): Promise<void> {
    for (let seed = this.#take(); seed !== undefined; ) {
      const worker = new Worker(this.#options.program);
      try {
        while (seed !== undefined && (await this.#play(worker, seed))) seed = this.#take();
        if (seed !== undefined) seed = this.#take();
      } finally {
        await worker.terminate();
      }
    }
  }

  #take(): number | undefined {
    const { lastSeed, stopAtFirst } = this.#options;
    if (this.#next > lastSeed || performance.now() >= this.#endsAtMs) return undefined;
    if (stopAtFirst && this.#failures.length > 0) return undefined;
    this.#next += 1;
    return this.#next - 1;
  }

  /** Resolves with false when the worker is of no use any more. */
  async #play(worker: Worker, seed: number): Promise<boolean> {
    const trace: string[] = [];
    const outcome = await new Promise<Told | undefined>((resolve) => {
      const giveUp = (): void => end(undefined);
      let silence = setTimeout(giveUp, silenceMs);
      const end = (told: Told | undefined): void => {
        clearTimeout(silence);
        worker.off("message", hear);
        worker.off("error", fail);
        resolve(told);
      };
      const hear = (told: Told): void => {
        clearTimeout(silence);
        silence = setTimeout(giveUp, silenceMs);
        if (told.kind === "done" || told.kind === "failed") end(told);
        else if (told.kind === "trace") {
          this.#options.onTrace(told.line);
          trace.push(told.line);
          if (trace.length > keptTrace) trace.shift();
        }
      };
      const fail = (error: Error): void => {
        end({ kind: "failed", seed, reason: error.message, message: error.stack ?? error.message });
      };
      worker.on("message", hear);
      worker.on("error", fail);
      worker.postMessage(seed);
    });
    this.#seeds += 1;
    this.#count(outcome ?? hung(seed, trace));
    return outcome !== undefined;
  }

  #count(told: Told): void {
    if (told.kind === "failed") {
      const { seed, reason, message } = told;
      const replay = `${message}\nreplay: npm run sim -- --seed ${seed}`;
      this.#failures.push({ seed, reason, message: replay });
      this.#options.onFailure({ seed, reason, message: replay });
    } else if (told.kind === "done") {
      this.#steps += told.steps;
      this.#simulatedMs += told.simulatedMs;
      for (const [name, count] of told.counts) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
    }
  }
}

function hung(seed: number, trace: readonly string[]): Told {
  const reason = `nothing happens any more: something turns round without end (${silenceMs / 1000} s of real time)`;
  return { kind: "failed", seed, reason, message: [`seed ${seed}: ${reason}`, ...trace].join("\n") };
}
