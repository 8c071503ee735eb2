import type { ApiExplanation, ClientMachine } from "@fleet/api/client";
import { throwIfAborted } from "@fleet/runtime";
import { isInterrupt } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { machineLegend } from "../output/machine-legend.ts";
import { follow, POLL_INTERVAL_MS } from "./follow.ts";
import type { Goal, Step } from "./goal.ts";
import { Picture } from "./picture.ts";
import { isUnplaceable, whyUnplaced } from "./why-unplaced.ts";

/** How often goals are looked at when nothing changes: they count time. */
const LOOK_INTERVAL_MS = 100;

/** Units of which it is told why they wait: each is asked for by itself, while all others are kept waiting. */
const MOST_REASONS = 10;

/**
 * Waits until every goal is reached, printing each as it is. Resolves to whether all were reached: what failed
 * or took more than `attempts` polls (0: no limit) has then been said on stderr. A unit that no machine may run is
 * waited for or taken as failed.
 */
export async function waitForUnits(
  call: Invocation,
  goals: readonly Goal[],
  attempts: number,
  ifUnplaceable: "wait" | "fail" = "wait",
): Promise<boolean> {
  if (goals.length === 0) return true;
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  const waiting = new Waiting(call, goals, attempts, ifUnplaceable);
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
  readonly #ifUnplaceable: "wait" | "fail";
  /** Goal → the reason that was last told. */
  readonly #reasons = new Map<Goal, string>();
  #saidRest = false;

  constructor(call: Invocation, goals: readonly Goal[], attempts: number, ifUnplaceable: "wait" | "fail") {
    this.#call = call;
    this.#ifUnplaceable = ifUnplaceable;
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
      const unplaceable = await this.#tell(goal, step);
      if (step.verdict !== "waiting" || unplaceable) {
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

  /** Resolves to whether the goal is given up. */
  async #tell(goal: Goal, step: Step): Promise<boolean> {
    if (step.say !== undefined) {
      if (step.verdict === "failed") this.#call.fail(`Error waiting for units: ${step.say}`);
      else this.#call.say(step.say);
    }
    if (step.unplaced === true) return await this.#tellWhy(goal);
    if (step.reached === undefined) return false;
    const { state, machineId } = step.reached;
    const place = machineId === undefined ? "" : ` on ${await this.#legend(machineId)}`;
    this.#call.print(`Unit ${goal.unit} ${state}${place}\n`);
    return false;
  }

  /** Says why the unit waits for a machine, if that is news. */
  async #tellWhy(goal: Goal): Promise<boolean> {
    if (this.#ifUnplaceable === "wait" && !this.#reasons.has(goal) && this.#reasons.size >= MOST_REASONS) {
      if (!this.#saidRest) this.#call.say(`  "fleetctl explain UNIT" says why this and others wait.`);
      this.#saidRest = true;
      return false;
    }
    const explanation = await this.#explanation(goal.unit);
    if (explanation === undefined) return false;
    const lines = whyUnplaced(explanation);
    const text = lines.join("\n");
    if (this.#reasons.get(goal) !== text) for (const line of lines) this.#call.say(`  ${line}`);
    this.#reasons.set(goal, text);
    if (this.#ifUnplaceable === "wait" || !isUnplaceable(explanation)) return false;
    this.#call.fail(`Error waiting for units: no machine may run unit ${goal.unit}`, [
      `It is placed as soon as one may; "fleetctl unload ${goal.unit}" takes that back.`,
    ]);
    return true;
  }

  /** Undefined where there is none just now: the waiting goes on all the same. */
  async #explanation(unit: string): Promise<ApiExplanation | "unsupported" | undefined> {
    try {
      const client = await this.#call.connect();
      const explanation = await client.explanation(unit, this.#call.signal);
      return explanation === "absent" ? undefined : explanation;
    } catch (error) {
      if (isInterrupt(error)) throw error;
      return undefined;
    }
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
