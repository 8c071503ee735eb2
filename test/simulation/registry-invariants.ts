import { eligibility, type Occupant, parseUnitFile, type Requirements, requirementsOf } from "@fleet/core";
import type { KeyValue, WatchEvent } from "@fleet/registry";
import { isGlobal } from "./scenery.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { user } from "./simulated-cluster.ts";
import type { Caller } from "./simulated-etcd.ts";
import { latestFormat, prefix } from "./simulated-machine.ts";

/** A leader acts on what it knew when it was paused, as long as its lease holds; then its writes are fenced off. */
const leaderMayLagMs = 5000;

/** A write arrives at most this much later than what it rests on was read. */
const writesMayBeLateMs = 10_000;

/** Records of events, and events of a record. */
const mostRecords = 256;
const mostEvents = 100;

/** What a machine was told when the engine took its registration into account. */
interface Settling {
  readonly revision: number;
  readonly units: ReadonlySet<string>;
}

interface Row extends KeyValue {
  /** World time of the key's creation. */
  readonly createdAtMs: number;
}

/** What must hold of the registry after each single change, judged at once and with its writer known. */
export class RegistryInvariants {
  readonly #cluster: SimulatedCluster;
  readonly #requirements: ReadonlyMap<string, Requirements>;
  readonly #rows = new Map<string, Row>();
  /** By machine. */
  readonly #settlings = new Map<string, Settling>();
  /** `<machine>/<unit>` that settled machines were told to give up, and not given again. */
  readonly #withdrawn = new Set<string>();
  /** The latest one of each machine. */
  readonly #registrations = new Map<string, number>();
  /** Keys of state rows that have ever been there. */
  readonly #published = new Set<string>();
  #format = 0;
  #violation: Error | undefined;

  /** `files`: unit → a unit file of it; what a unit asks of its machine never changes. */
  constructor(cluster: SimulatedCluster, files: ReadonlyMap<string, string>) {
    this.#cluster = cluster;
    this.#requirements = new Map([...files].map(([unit, text]) => [unit, requirementsIn(unit, text)]));
    cluster.etcd.onChange(({ events, caller }) => {
      try {
        this.#follow(events, caller);
      } catch (error) {
        this.#violation ??= error instanceof Error ? error : new Error(String(error));
      }
    });
  }

  /** Throws the first violation that was seen. */
  check(): void {
    if (this.#violation !== undefined) throw this.#violation;
  }

  /**
   * Of a unit without an assignment: the machine could know that it is not to be there, also one that began with it later
   * because it heard of that late. An assignment that is missing is no order alone.
   */
  maySay(machineId: string, unit: string, since: number): boolean {
    if (this.#withdrawn.has(`${machineId}/${unit}`)) return true;
    const settling = this.#settlings.get(machineId);
    return settling !== undefined && settling.revision > since && !settling.units.has(unit);
  }

  /** A unit is started only after its row is there: whoever does not see it may place the unit elsewhere. */
  hasBeenPublished(machineId: string, unit: string): boolean {
    // What was written into another store is not known here.
    const { elsewhereAtMs } = this.#cluster.etcd;
    return elsewhereAtMs > 0 || this.#published.has(`${prefix}states/${machineId}/${unit}`);
  }

  /** Once all fleetds are of one version again, and have had the time. */
  checkEnded(): void {
    const readers = this.#cluster.machines.every(({ version }) => version === "next");
    if (readers && this.#format !== latestFormat) {
      throw new Error(`the cluster has data format ${this.#format} although everybody reads ${latestFormat}`);
    }
  }

  #follow(events: readonly WatchEvent[], caller: Caller | undefined): void {
    /** Machine → units that have come to be assigned to it. */
    const concerned = new Map<string, Set<string>>();
    const settled = new Set<string>();
    for (const event of events) {
      const key = event.type === "put" ? event.row.key : event.key;
      const [kind = "", machineId = ""] = key.slice(prefix.length).split("/");
      this.#isItsWriters(kind, key, caller);
      this.#isReadByItsWriter(key, caller);
      if (kind === "cluster" && event.type === "put") this.#formatIs(JSON.parse(event.row.value).format);
      if (event.type === "delete") {
        if (kind === "assignments" && this.#isSettled(machineId)) {
          this.#withdrawn.add(key.slice(`${prefix}assignments/`.length));
        }
        this.#rows.delete(key);
      } else {
        const isNew = event.row.createRevision === event.row.modRevision;
        const createdAtMs = isNew ? this.#nowMs : (this.#rows.get(key)?.createdAtMs ?? this.#nowMs);
        this.#rows.set(key, { ...event.row, createdAtMs });
        if (kind === "states") this.#published.add(key);
        if (kind === "machines") this.#registrations.set(machineId, event.row.createRevision);
        if (kind === "assignments") this.#withdrawn.delete(key.slice(`${prefix}assignments/`.length));
        if (kind === "assignments" && isNew) {
          this.#isHeldByNobodyElse(key);
          const added = concerned.get(machineId) ?? new Set();
          concerned.set(machineId, added.add(key.slice(`${prefix}assignments/${machineId}/`.length)));
        }
        if (key.endsWith("/@settled")) settled.add(machineId);
        if (kind === "events") this.#isBounded(key, event.row.value);
      }
    }
    for (const [machineId, added] of concerned) this.#isEligible(machineId, added);
    for (const machineId of settled) this.#noteSettling(machineId);
    if (events.some((event) => event.type === "delete" && event.key.startsWith(`${prefix}bodies/`))) {
      this.#bodiesAreThere();
    }
  }

  get #nowMs(): number {
    return this.#cluster.clock.monotonic();
  }

  /** Nobody writes what is another's; of all engines only the one that leads changes anything. */
  #isItsWriters(kind: string, key: string, caller: Caller | undefined): void {
    if (caller === undefined) return;
    if (kind === "units" && caller !== user) throw new Error(`${caller.name} changed ${key}`);
    if (kind !== "assignments" && kind !== "events") return;
    const leader = this.#rows.get(`${prefix}leader`);
    const owner = leader === undefined ? undefined : this.#cluster.etcd.ownerOfLease(leader.leaseId);
    if (owner !== caller) {
      throw new Error(`${caller.name} changed ${key} while ${owner?.name ?? "nobody"} leads`);
    }
  }

  #isBounded(key: string, value: string): void {
    const { events } = JSON.parse(value);
    if (events.length === 0 || events.length > mostEvents)
      throw new Error(`${events.length} events in ${key}`);
    let records = 0;
    for (const each of this.#rows.keys()) if (each.startsWith(`${prefix}events/`)) records += 1;
    // What the same transaction deletes may come after it.
    if (records > mostRecords + 1) throw new Error(`${records} records of events are kept`);
  }

  /** It would write what is of a later format in the earlier one. */
  #isReadByItsWriter(key: string, caller: Caller | undefined): void {
    if (caller?.formats === undefined || this.#format === 0 || caller.formats.includes(this.#format)) return;
    throw new Error(`${caller.name} changed ${key} and does not read data format ${this.#format}`);
  }

  #formatIs(format: number): void {
    if (format < this.#format) throw new Error(`the data format fell from ${this.#format} to ${format}`);
    if (format > this.#format && this.#format > 0) this.#isReadByAll(format);
    this.#format = format;
  }

  /** Whoever could be known to be there reads what is raised to. */
  #isReadByAll(format: number): void {
    for (const [key, { value, createdAtMs }] of this.#rows) {
      if (!key.startsWith(`${prefix}machines/`) || this.#nowMs - createdAtMs < writesMayBeLateMs) continue;
      const { formats } = JSON.parse(value);
      if (formats.includes(format)) continue;
      throw new Error(
        `the data format was raised to ${format}, and ${key.slice(prefix.length)} reads ${formats}`,
      );
    }
  }

  /** The engine has taken the machine's latest registration into account, of which the machine need not know the end yet. */
  #isSettled(machineId: string): boolean {
    const row = this.#rows.get(`${prefix}assignments/${machineId}/@settled`);
    return row !== undefined && registrationIn(row.value) === this.#registrations.get(machineId);
  }

  #noteSettling(machineId: string): void {
    if (!this.#isSettled(machineId)) return;
    const below = `${prefix}assignments/${machineId}/`;
    const keys = [...this.#rows.keys()].filter((key) => key.startsWith(below));
    const revision = this.#rows.get(`${below}@settled`)?.modRevision ?? 0;
    this.#settlings.set(machineId, { revision, units: new Set(keys.map((key) => key.slice(below.length))) });
  }

  /** A machine that is there, and has had its row for so long that every leader knows, must give a unit up first. */
  #isHeldByNobodyElse(key: string): void {
    const [, machineId, unit = ""] = key.slice(prefix.length).split("/");
    if (isGlobal(unit) || unit.startsWith("@")) return;
    for (const { id } of this.#cluster.machines) {
      const row = this.#rows.get(`${prefix}states/${id}/${unit}`);
      if (id === machineId || row === undefined) continue;
      if (this.#nowMs - row.createdAtMs > leaderMayLagMs) {
        throw new Error(`${unit} was assigned to ${machineId} while ${id} still holds it`);
      }
    }
  }

  /** Every unit that comes to be assigned to a machine may run there, beside the others, and they beside it. */
  #isEligible(machineId: string, added: ReadonlySet<string>): void {
    // About what cannot be read nothing is decided, so neither is about what rests on it; nor before the leader knows better.
    const { corrupted, repairedAtMs } = this.#cluster;
    if (corrupted.size > 0 || this.#nowMs - repairedAtMs < leaderMayLagMs) return;
    const machine = this.#cluster.machines.find(({ id }) => id === machineId);
    if (machine === undefined) return;
    const below = `${prefix}assignments/${machineId}/`;
    const occupants: Occupant[] = [];
    for (const key of this.#rows.keys()) {
      const name = key.slice(below.length);
      if (!key.startsWith(below) || name.startsWith("@")) continue;
      occupants.push({ name, requirements: this.#requirements.get(name) });
    }
    const where = { id: machineId, metadata: new Map(Object.entries(machine.metadata)) };
    for (const { name, requirements } of occupants) {
      if (requirements === undefined || !added.has(name)) continue;
      const others = occupants.filter((other) => other.name !== name);
      const verdict = eligibility({ name, requirements }, where, others);
      if (verdict.verdict === "unable") {
        throw new Error(
          `${name} is assigned to ${machineId}, where it cannot run: ${JSON.stringify(verdict)}`,
        );
      }
    }
  }

  /** No unit file goes as long as a unit is made of it. */
  #bodiesAreThere(): void {
    for (const [key, { value }] of this.#rows) {
      if (!key.startsWith(`${prefix}units/`)) continue;
      const hash = /"hash":"([0-9a-f]+)"/.exec(value)?.[1];
      if (hash !== undefined && !this.#rows.has(`${prefix}bodies/${hash}`)) {
        throw new Error(`the unit file of ${key.slice(prefix.length)} was removed`);
      }
    }
  }
}

function registrationIn(value: string): number {
  return JSON.parse(value).registration;
}

export function requirementsIn(unit: string, text: string): Requirements {
  const file = parseUnitFile(text);
  if (!file.ok) throw new Error(`${unit}: the unit file cannot be read`);
  return requirementsOf(unit, file.value);
}
