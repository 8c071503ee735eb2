import type { Clock, Random } from "@fleet/runtime";
import {
  type FakeSystemd,
  FakeUnitDirectory,
  FakeUnitManager,
  type Fence,
  type UnitListener,
  type UnitStatus,
} from "@fleet/systemd";
import type { ProcessClock } from "./process-clock.ts";
import { elapse } from "./simulated-clock.ts";

/** A connection to systemd that is held up while its process is stopped, and that can be slow. */
export class FaultyUnitManager extends FakeUnitManager {
  readonly #process: ProcessClock;
  readonly #clock: Clock;
  readonly #random: Random;
  #slowestMs = 0;

  /** `clock`: of the machine, on which systemd works on while the process is stopped. */
  constructor(systemd: FakeSystemd, process: ProcessClock, clock: Clock, random: Random) {
    super(systemd);
    this.#process = process;
    this.#clock = clock;
    this.#random = random;
  }

  /** From now on a call takes up to this long. */
  slow(slowestMs: number): void {
    this.#slowestMs = slowestMs;
  }

  override subscribe({ onChange, onReset }: UnitListener): () => void {
    const whenRunning = (tell: () => void): void => void this.#process.running().then(tell);
    return super.subscribe({
      onChange: (name) => whenRunning(() => onChange(name)),
      onReset: (cause) => whenRunning(() => onReset(cause)),
    });
  }

  override prepare(names: readonly string[]): Promise<void> {
    return this.#held(() => super.prepare(names));
  }

  override start(name: string): Promise<void> {
    return this.#held(() => super.start(name));
  }

  override invocation(name: string): Promise<string> {
    return this.#held(() => super.invocation(name));
  }

  override restart(name: string, invocation: string, signal: AbortSignal): Promise<void> {
    return this.#held(() => super.restart(name, invocation, signal));
  }

  override stop(name: string, signal: AbortSignal): Promise<void> {
    return this.#held(() => super.stop(name, signal));
  }

  override enable(name: string): Promise<void> {
    return this.#held(() => super.enable(name));
  }

  override disable(name: string): Promise<void> {
    return this.#held(() => super.disable(name));
  }

  override forget(name: string): Promise<void> {
    return this.#held(() => super.forget(name));
  }

  override fence(name: string, fence: Fence | undefined): Promise<readonly string[]> {
    return this.#held(() => super.fence(name, fence));
  }

  override status(names: readonly string[]): Promise<ReadonlyMap<string, UnitStatus>> {
    return this.#held(() => super.status(names));
  }

  async #held<Result>(call: () => Promise<Result>): Promise<Result> {
    await this.#process.running();
    if (this.#slowestMs > 0) await elapse(this.#clock, this.#random() * this.#slowestMs);
    try {
      return await call();
    } finally {
      await this.#process.running();
    }
  }
}

/** The unit directory as a process that may be stopped sees it. */
export class FaultyUnitDirectory extends FakeUnitDirectory {
  readonly #process: ProcessClock;

  constructor(systemd: FakeSystemd, process: ProcessClock) {
    super(systemd);
    this.#process = process;
  }

  override async write(name: string, text: string): Promise<void> {
    await this.#process.running();
    await super.write(name, text);
  }

  override async read(name: string): Promise<string | undefined> {
    await this.#process.running();
    return super.read(name);
  }

  override async remove(name: string): Promise<void> {
    await this.#process.running();
    await super.remove(name);
  }
}
