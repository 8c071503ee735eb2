import { eligibility, type Occupant, parseUnitFile, type Requirements, requirementsOf } from "@fleet/core";
import type { KeyValue, WatchEvent } from "@fleet/registry";
import { isGlobal } from "./scenery.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";
import { user } from "./simulated-cluster.ts";
import type { Caller } from "./simulated-etcd.ts";
import { prefix } from "./simulated-machine.ts";

/** A leader acts on what it knew when it was paused, as long as its lease holds; then its writes are fenced off. */
const leaderMayLagMs = 5000;

interface Row extends KeyValue {
  /** World time of the key's creation. */
  readonly createdAtMs: number;
}

/** What must hold of the registry after each single change, judged at once and with its writer known. */
export class RegistryInvariants {
  readonly #cluster: SimulatedCluster;
  readonly #requirements: ReadonlyMap<string, Requirements>;
  readonly #rows = new Map<string, Row>();
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

  #follow(events: readonly WatchEvent[], caller: Caller | undefined): void {
    const concerned = new Set<string>();
    for (const event of events) {
      const key = event.type === "put" ? event.row.key : event.key;
      const [kind = "", machineId = ""] = key.slice(prefix.length).split("/");
      this.#isItsWriters(kind, key, caller);
      if (kind === "assignments") concerned.add(machineId);
      if (event.type === "delete") this.#rows.delete(key);
      else {
        const isNew = event.row.createRevision === event.row.modRevision;
        const createdAtMs = isNew ? this.#nowMs : (this.#rows.get(key)?.createdAtMs ?? this.#nowMs);
        this.#rows.set(key, { ...event.row, createdAtMs });
        if (kind === "assignments" && isNew) this.#isHeldByNobodyElse(key);
      }
    }
    for (const machineId of concerned) this.#isEligible(machineId);
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
    if (kind !== "assignments") return;
    const leader = this.#rows.get(`${prefix}leader`);
    const owner = leader === undefined ? undefined : this.#cluster.etcd.ownerOfLease(leader.leaseId);
    if (owner !== caller) {
      throw new Error(`${caller.name} changed ${key} while ${owner?.name ?? "nobody"} leads`);
    }
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

  /** Every unit that is assigned to a machine may run there, beside the others. */
  #isEligible(machineId: string): void {
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
      if (requirements === undefined) continue;
      const others = occupants.filter((other) => other.name !== name);
      const verdict = eligibility({ name, requirements }, where, others);
      // About what cannot be read at the moment nothing is decided, so neither is about what rests on it.
      if (verdict.verdict === "unable" && this.#cluster.corrupted.size === 0) {
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

function requirementsIn(unit: string, text: string): Requirements {
  const file = parseUnitFile(text);
  if (!file.ok) throw new Error(`${unit}: the unit file cannot be read`);
  return requirementsOf(unit, file.value);
}
