import type { FakeSystemdEvent } from "@fleet/systemd";
import { isExclusive, isGlobal } from "./scenery.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

interface RestartRow {
  readonly number: number;
  readonly units: readonly string[];
  readonly parallel: number;
  readonly state: string;
  readonly steps: readonly { readonly unit: string; readonly state: string; readonly machineId?: string }[];
}

interface Happening {
  readonly machine: SimulatedMachine;
  readonly event: FakeSystemdEvent;
}

/** What ends a unit's being down because of a restart: it runs, or something else has to do with it now. */
const endsOfRestart: ReadonlySet<FakeSystemdEvent["kind"]> = new Set([
  "started",
  "failed",
  "stop-queued",
  "removed",
  "lost",
]);

/** What requests to restart units promise, checked against what the systemds did. */
export class RestartInvariants {
  readonly #cluster: SimulatedCluster;
  readonly #calm: boolean;
  readonly #seen = new Map<string, number>();
  /** Number → how many may be down at a time. */
  readonly #parallel = new Map<number, number>();
  /** Number → units that are down because of it, and since when. */
  readonly #down = new Map<number, Map<string, number>>();
  /** Number, unit and machine → the invocation that was replaced; empty when none was. */
  readonly #replaced = new Map<string, string>();

  /** Unit and machine → revision at which the unit was last begun there. */
  readonly #begun = new Map<string, number>();

  constructor(cluster: SimulatedCluster, calm: boolean) {
    this.#cluster = cluster;
    this.#calm = calm;
  }

  /** To be called after everything that happens: clocks of machines differ, so the order of calls is what counts. */
  check(): void {
    for (const { machine, event } of this.#news()) this.#follow(machine, event);
  }

  /** Once faults have ended and the cluster has come to rest: every request has ended, and did what it says. */
  checkEnded(): void {
    for (const row of this.#rows()) {
      const ended = new Set(row.steps.filter(({ state }) => state !== "restarting").map(({ unit }) => unit));
      // It had a machine when its turn came; a later request for it waits, too.
      const homeless = row.units.filter((unit) => !ended.has(unit) && !this.#isAssigned(unit));
      if (row.state === "running" && homeless.length === 0) {
        throw new Error(`restart ${row.number} does not end: ${JSON.stringify(row)}`);
      }
      for (const { unit, state, machineId } of row.steps) {
        if (state !== "done" || machineId === undefined) continue;
        // Whatever has begun the unit anew since it was asked for counts: it was another request, or a crash of fleetd.
        const carriedOut = (this.#begun.get(`${unit} ${machineId}`) ?? 0) >= row.number;
        if (!carriedOut) {
          throw new Error(`restart ${row.number} says that ${unit} was restarted, and nothing was`);
        }
      }
    }
  }

  #rows(): readonly RestartRow[] {
    return this.#cluster.rows("restarts/").map(({ value, createRevision }) => {
      const { units, parallel, state, steps } = JSON.parse(value);
      return { number: createRevision, units, parallel, state, steps };
    });
  }

  #isAssigned(unit: string): boolean {
    return this.#cluster.assignments().some((key) => key.endsWith(`/${unit}`));
  }

  /** What has happened since the last look, on all machines, in order. */
  #news(): readonly Happening[] {
    return this.#cluster.machines.flatMap((machine) => {
      const { history } = machine.systemd;
      const from = this.#seen.get(machine.id) ?? 0;
      this.#seen.set(machine.id, history.length);
      return history.slice(from).map((event) => ({ machine, event }));
    });
  }

  #follow(machine: SimulatedMachine, event: FakeSystemdEvent): void {
    const { kind, unit } = event;
    // Of a global unit on a machine that is out of reach a restart may go on after the request has.
    const key = isGlobal(unit) ? `${unit} ${machine.id}` : unit;
    if (endsOfRestart.has(kind)) for (const units of this.#down.values()) units.delete(key);
    if (kind === "removed" || kind === "rebooted")
      this.#forget(machine, (name) => unit === "" || name === unit);
    // What a fence stops starts again, as part of the restart or not: no restart replaces that invocation.
    if (kind === "fenced") this.#forget(machine, isExclusive);
    if (kind === "started") this.#begun.set(`${unit} ${machine.id}`, this.#cluster.etcd.truth.revision);
    if (kind !== "restart-queued") return;
    const number = machine.restartAt(unit, event.at);
    if (number === undefined) throw new Error(`${unit} was restarted on ${machine.id} without a reason`);
    // A machine that was lost may have carried it out untold: the next one then does so as well.
    this.#isReplacedOnce(`${number} ${unit} on ${machine.id}`, event);
    // One that was not to run may not have been stopped yet.
    const wasToRun = !this.#cluster.startedByRestart.has(`${number} ${unit}`);
    const counts = event.invocation !== "" && wasToRun && (this.#calm || !isGlobal(unit));
    if (counts) this.#isWithinBounds(number, key, this.#cluster.clock.monotonic());
  }

  /** With the file the machine has forgotten what it has carried out; untold, it may be asked for once more. */
  #forget(machine: SimulatedMachine, isMeant: (unit: string) => boolean): void {
    for (const key of this.#replaced.keys()) {
      const [, name = "", , machineId] = key.split(" ");
      if (machineId === machine.id && isMeant(name)) this.#replaced.delete(key);
    }
  }

  #isReplacedOnce(key: string, { invocation }: FakeSystemdEvent): void {
    const former = this.#replaced.get(key) ?? "";
    if (former !== "" && invocation !== "" && former !== invocation) {
      throw new Error(`restart ${key}: invocation ${former} was replaced, and then ${invocation} as well`);
    }
    this.#replaced.set(key, former === "" ? invocation : former);
  }

  #isWithinBounds(number: number, unit: string, at: number): void {
    const down = this.#down.get(number) ?? new Map<string, number>();
    this.#down.set(number, down.set(unit, at));
    if (!this.#parallel.has(number)) {
      for (const row of this.#rows()) this.#parallel.set(row.number, row.parallel);
    }
    const parallel = this.#parallel.get(number) ?? Number.POSITIVE_INFINITY;
    // What the user asked for since is a reason of its own to be down, and ends the unit's turn; so does that it is not to run
    // any more, which may have been asked for just before its machine got to the restart. So does, of a global unit, that its
    // machine leaves: it goes there with or without the restart, although its stop may be about to begin only.
    const because = [...down].filter(
      ([key, since]) => this.#isToRun(key) && !this.#leaves(key) && (this.#askedAt(key) ?? 0) < since,
    );
    if (because.length > parallel) {
      const units = because.map(([key]) => key).join(", ");
      throw new Error(`restart ${number} has these down at once, and may have ${parallel}: ${units}`);
    }
  }

  #isToRun(key: string): boolean {
    return this.#cluster.acknowledged.get(key.split(" ")[0] ?? "")?.target === "launched";
  }

  /** Of a global unit: its machine has been told to leave. */
  #leaves(key: string): boolean {
    const machineId = key.split(" ")[1];
    return this.#cluster.machines.some(
      ({ id, leavingSinceMs }) => id === machineId && leavingSinceMs !== undefined,
    );
  }

  #askedAt(key: string): number | undefined {
    return this.#cluster.askedAt.get(key.split(" ")[0] ?? "");
  }
}
