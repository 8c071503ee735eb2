import type { ApiUnit, ClientMachine } from "@fleet/api/client";
import { throwIfAborted } from "@fleet/runtime";
import { isInterrupt } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { machineLegend } from "../output/machine-legend.ts";
import { follow, POLL_INTERVAL_MS } from "./follow.ts";
import type { Goal, Step } from "./goal.ts";
import { Picture } from "./picture.ts";
import type { ClusterListing } from "./why-unplaced.ts";

/** How often goals are looked at when nothing changes: they count time. */
const LOOK_INTERVAL_MS = 100;

/**
 * Waits until every goal is reached, printing each as it is. Resolves to whether all were reached: what failed
 * or took more than `attempts` polls (0: no limit) has then been said on stderr.
 */
export async function waitForUnits(
  call: Invocation,
  goals: readonly Goal[],
  attempts: number,
): Promise<boolean> {
  if (goals.length === 0) return true;
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  const waiting = new Waiting(call, goals, attempts);
  const client = await call.connect();
  const following = follow(
    {
      client,
      clock: call.clock,
      picture: waiting.picture,
      open: () => waiting.open(),
      changed: () => waiting.wake(),
      say: call.say,
    },
    signal,
  );
  // A failure to follow must end the waiting; its end is awaited below.
  const broken = following.catch((error: unknown) => stop.abort(error));
  try {
    return await waiting.run(signal);
  } finally {
    stop.abort();
    await broken;
    await following;
  }
}

/** Looks at the open goals whenever the picture has changed, and every LOOK_INTERVAL_MS. */
class Waiting {
  readonly picture = new Picture();
  readonly #call: Invocation;
  readonly #open: Set<Goal>;
  readonly #startedMs: number;
  readonly #limitMs: number;
  #allReached = true;
  #changed = false;
  #wake: () => void = () => {};
  #machines: ReadonlyMap<string, ClientMachine> | undefined;
  #listing: Promise<ClusterListing> | undefined;

  constructor(call: Invocation, goals: readonly Goal[], attempts: number) {
    this.#call = call;
    this.#open = new Set(goals);
    this.#startedMs = call.clock.monotonic();
    this.#limitMs = attempts > 0 ? attempts * POLL_INTERVAL_MS : Number.POSITIVE_INFINITY;
  }

  open(): readonly Goal[] {
    return [...this.#open];
  }

  /** The picture has changed. */
  wake(): void {
    this.#changed = true;
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<boolean> {
    for (;;) {
      throwIfAborted(signal);
      this.#changed = false;
      for (const goal of this.open()) await this.#look(goal);
      if (this.#open.size === 0) return this.#allReached;
      if (!this.#changed) await this.#pause(signal);
    }
  }

  /** Until the picture changes, the signal fires or it is time to look at the clock. */
  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        this.#wake = () => {};
        resolve();
      };
      const cancel = this.#call.clock.after(LOOK_INTERVAL_MS, end);
      signal.addEventListener("abort", end, { once: true });
      this.#wake = end;
    });
  }

  async #look(goal: Goal): Promise<void> {
    const nowMs = this.#call.clock.monotonic() - this.#startedMs;
    const sight = this.picture.sight(goal.unit);
    // One change may carry a goal through several steps: `launched` and `active` come together.
    for (let step = sight && goal.look(sight, nowMs); step !== undefined; ) {
      await this.#tell(goal, step);
      if (step.verdict !== "waiting") {
        this.#open.delete(goal);
        this.#allReached &&= step.verdict === "reached";
        return;
      }
      step = step.reached !== undefined && sight !== undefined ? goal.look(sight, nowMs) : undefined;
    }
    if (nowMs < this.#limitMs) return;
    this.#call.fail(`Error waiting for units: ${goal.timeoutText}`);
    this.#open.delete(goal);
    this.#allReached = false;
  }

  async #tell(goal: Goal, step: Step): Promise<void> {
    if (step.say !== undefined) {
      if (step.verdict === "failed") this.#call.fail(`Error waiting for units: ${step.say}`);
      else this.#call.say(step.say);
    }
    if (step.unplaced !== undefined) {
      for (const line of await this.#whyUnplaced(step.unplaced)) this.#call.say(`  ${line}`);
    }
    if (step.reached === undefined) return;
    const { state, machineId } = step.reached;
    const place = machineId === undefined ? "" : ` on ${await this.#legend(machineId)}`;
    this.#call.print(`Unit ${goal.unit} ${state}${place}\n`);
  }

  /** Lines for people. None where the cluster cannot be listed: the waiting goes on all the same. */
  async #whyUnplaced(unit: ApiUnit): Promise<readonly string[]> {
    try {
      const { whyUnplaced } = await import("./why-unplaced.ts");
      this.#listing ??= this.#list();
      return whyUnplaced(unit, await this.#listing);
    } catch (error) {
      if (isInterrupt(error)) throw error;
      return [];
    }
  }

  /** Once for all units: they are told of within the same moment. */
  async #list(): Promise<ClusterListing> {
    const client = await this.#call.connect();
    const { signal } = this.#call;
    const [units, states, machines] = await Promise.all([
      client.units(signal),
      client.states({}, signal),
      client.machines(signal),
    ]);
    return { units, states, machines };
  }

  async #legend(machineId: string): Promise<string> {
    const known = this.picture.machine(machineId) ?? this.#machines?.get(machineId);
    if (known !== undefined) return machineLegend(known, false);
    const client = await this.#call.connect();
    try {
      const machines = await client.machines(this.#call.signal);
      this.#machines = new Map(machines.map((machine) => [machine.id, machine]));
    } catch (error) {
      // The unit is where it should be: an address is not worth failing for.
      if (isInterrupt(error)) throw error;
    }
    return machineLegend(this.#machines?.get(machineId) ?? { id: machineId }, false);
  }
}
