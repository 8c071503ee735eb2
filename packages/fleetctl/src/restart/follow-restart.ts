import type { ApiRestart, ClientMachine, FleetClient } from "@fleet/api/client";
import { errorMessage, sleep } from "@fleet/runtime";
import { isInterrupt } from "../api-failure.ts";
import type { Invocation } from "../invocation.ts";
import { machineLegend } from "../output/machine-legend.ts";
import { POLL_INTERVAL_MS } from "../wait/follow.ts";

type Step = ApiRestart["steps"][number];

/** Polls without news after which the user is told what is waited for. */
const PATIENT_POLLS = 3;

/**
 * Tells on stdout what has been restarted, as it happens, and on stderr what is waited for and what went wrong. Resolves
 * to the exit code. It only looks on: the cluster finishes the request without it.
 */
export async function followRestart(
  call: Invocation,
  restart: ApiRestart,
  attempts: number,
): Promise<number> {
  const telling = new RestartTelling(call, await call.connect());
  const { id } = restart;
  try {
    let present: ApiRestart | undefined = restart;
    for (let poll = 1; ; poll += 1) {
      if (present === undefined) {
        call.fail(
          "Error restarting units: the request was cancelled; what was under way ends, nothing further begins",
        );
        telling.sayLeft(restart.units, "Not seen to begin");
        return 1;
      }
      await telling.tell(present);
      if (present.state === "done") return 0;
      if (present.state === "failed") return telling.sayFailure(present);
      if (attempts > 0 && poll > attempts) {
        call.fail(`Error waiting for units: timed out waiting for the restart. ${goesOn(id)}`);
        telling.sayLeft(restart.units);
        return 1;
      }
      await sleep(call.clock, POLL_INTERVAL_MS, call.signal);
      present = await telling.read(present);
    }
  } catch (error) {
    if (isInterrupt(error)) call.say(goesOn(id));
    throw error;
  }
}

function goesOn(id: string): string {
  return `The cluster goes on with it; \`fleetctl restart --cancel=${id}\` has it begin nothing further.`;
}

/** What has been told of a request so far. */
class RestartTelling {
  readonly #call: Invocation;
  readonly #client: FleetClient;
  /** Units and machines of the steps that have ended. */
  readonly #ended = new Set<string>();
  readonly #waitedFor = new Set<string>();
  #machines: ReadonlyMap<string, ClientMachine> | undefined;
  #pollsWithoutNews = 0;
  #trouble: string | undefined;
  #last: ApiRestart | undefined;

  constructor(call: Invocation, client: FleetClient) {
    this.#call = call;
    this.#client = client;
  }

  /** The request as it is now; as it was while the daemon cannot tell. Undefined when it is gone. */
  async read(former: ApiRestart): Promise<ApiRestart | undefined> {
    try {
      const restart = await this.#client.restart(former.id, this.#call.signal);
      this.#trouble = undefined;
      return restart;
    } catch (error) {
      if (isInterrupt(error)) throw error;
      const trouble = errorMessage(error);
      if (trouble !== this.#trouble)
        this.#call.say(`Error retrieving the restart: ${trouble}. Trying again.`);
      this.#trouble = trouble;
      return former;
    }
  }

  async tell(restart: ApiRestart): Promise<void> {
    this.#last = restart;
    let news = false;
    for (const step of restart.steps) {
      const key = `${step.unit} ${step.machineID ?? ""}`;
      if (step.state === "restarting" || this.#ended.has(key)) continue;
      this.#ended.add(key);
      news = true;
      const where = await this.#where(step);
      if (step.state === "done") this.#call.print(`Unit ${step.unit} restarted${where}\n`);
      if (step.state === "skipped")
        this.#call.say(`Unit ${step.unit} not restarted${where}: ${step.message}`);
    }
    this.#pollsWithoutNews = news ? 0 : this.#pollsWithoutNews + 1;
    if (this.#pollsWithoutNews >= PATIENT_POLLS) await this.#sayWaiting(restart);
  }

  async sayFailure(restart: ApiRestart): Promise<number> {
    const { fail } = this.#call;
    if (restart.message !== undefined) fail(`Error restarting units: ${restart.message}`);
    for (const step of restart.steps) {
      if (step.state !== "failed") continue;
      fail(`Error restarting units: unit ${step.unit} failed${await this.#where(step)}: ${step.message}`);
    }
    this.sayLeft(restart.units);
    return 1;
  }

  /** Names the units whose turn has not come. */
  sayLeft(units: readonly string[], what = "Not restarted"): void {
    const begun = new Set(this.#last?.steps.map(({ unit }) => unit));
    const left = units.filter((unit) => !begun.has(unit));
    if (left.length > 0) this.#call.say(`${what}: ${left.join(" ")}`);
  }

  async #sayWaiting(restart: ApiRestart): Promise<void> {
    const underWay = restart.steps.filter(({ state }) => state === "restarting");
    if (underWay.length === 0) this.#sayNotBegun(restart);
    for (const step of underWay) {
      const key = `${step.unit} ${step.machineID ?? ""} ${step.message ?? ""}`;
      if (this.#waitedFor.has(key)) continue;
      this.#waitedFor.add(key);
      const why = step.message === undefined ? "" : `: ${step.message}`;
      this.#call.say(`Unit ${step.unit} is not up yet${await this.#where(step)}${why}: waiting.`);
    }
  }

  #sayNotBegun({ units, steps }: ApiRestart): void {
    // All units may have a step while one that is global waits for its next machine.
    const next = units.find((unit) => !steps.some((step) => step.unit === unit)) ?? steps.at(-1)?.unit ?? "";
    if (this.#waitedFor.has(next)) return;
    this.#waitedFor.add(next);
    this.#call.say(
      `The turn of ${next} has not come: another request is restarting it, or no engine leads. Waiting.`,
    );
  }

  async #where({ machineID }: Step): Promise<string> {
    if (machineID === undefined) return "";
    if (this.#machines?.has(machineID) !== true) {
      try {
        const machines = await this.#client.machines(this.#call.signal);
        this.#machines = new Map(machines.map((machine) => [machine.id, machine]));
      } catch (error) {
        // What is told is worth more than the address in it.
        if (isInterrupt(error)) throw error;
      }
    }
    return ` on ${machineLegend(this.#machines?.get(machineID) ?? { id: machineID }, false)}`;
  }
}
