import type { KeyRange } from "./store.ts";

/** What a key below the prefix is about. */
export type KeySubject =
  | { readonly kind: "cluster" }
  | { readonly kind: "unit"; readonly name: string }
  | { readonly kind: "body"; readonly hash: string }
  | { readonly kind: "machine"; readonly machineId: string }
  | { readonly kind: "metadata"; readonly machineId: string; readonly key: string }
  | { readonly kind: "assignment"; readonly machineId: string; readonly unit: string }
  | { readonly kind: "settled"; readonly machineId: string }
  | { readonly kind: "state"; readonly machineId: string; readonly unit: string }
  | { readonly kind: "restart"; readonly id: string }
  | { readonly kind: "mass-loss" }
  | { readonly kind: "confirmed-losses" }
  | { readonly kind: "exclusive-hold"; readonly unit: string }
  | { readonly kind: "reschedule"; readonly unit: string }
  | { readonly kind: "events"; readonly id: string }
  | { readonly kind: "leader" };

/** Lies beside a machine's assignments so that one watch delivers both in order. No unit name begins with `@`. */
const settledName = "@settled";

/** Builds and reads the keys below one prefix. */
export class Keyspace {
  /** Ends in `/`. */
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix.endsWith("/") ? prefix : `${prefix}/`;
  }

  /** Everything of this cluster. */
  all(): Required<KeyRange> {
    return below(this.prefix);
  }

  cluster(): string {
    return `${this.prefix}cluster`;
  }

  leader(): string {
    return `${this.prefix}leader`;
  }

  unit(name: string): string {
    return `${this.prefix}units/${name}`;
  }

  body(hash: string): string {
    return `${this.prefix}bodies/${hash}`;
  }

  machine(machineId: string): string {
    return `${this.prefix}machines/${machineId}`;
  }

  /** The machines present. */
  machines(): Required<KeyRange> {
    return below(this.machine(""));
  }

  metadata(machineId: string, key: string): string {
    return `${this.prefix}metadata/${machineId}/${key}`;
  }

  assignment(machineId: string, unit: string): string {
    return `${this.prefix}assignments/${machineId}/${unit}`;
  }

  settled(machineId: string): string {
    return this.assignment(machineId, settledName);
  }

  /** The assignments of one machine, and whether they are settled. */
  assignmentsOf(machineId: string): Required<KeyRange> {
    return below(this.assignment(machineId, ""));
  }

  state(machineId: string, unit: string): string {
    return `${this.prefix}states/${machineId}/${unit}`;
  }

  statesOf(machineId: string): Required<KeyRange> {
    return below(this.state(machineId, ""));
  }

  /** What a machine has contributed since the store was seeded anew. */
  contribution(machineId: string): string {
    return `${this.prefix}contributions/${machineId}`;
  }

  contributions(): Required<KeyRange> {
    return below(this.contribution(""));
  }

  units(): Required<KeyRange> {
    return below(this.unit(""));
  }

  bodies(): Required<KeyRange> {
    return below(this.body(""));
  }

  /** Metadata of all machines. */
  allMetadata(): Required<KeyRange> {
    return below(`${this.prefix}metadata/`);
  }

  restart(id: string): string {
    return `${this.prefix}restarts/${id}`;
  }

  /** The requests to restart units. */
  restarts(): Required<KeyRange> {
    return below(this.restart(""));
  }

  /** There for an hour after the registry was seeded anew. */
  seeded(): string {
    return `${this.prefix}seeded`;
  }

  exclusiveHold(unit: string): string {
    return `${this.prefix}exclusive/${unit}`;
  }

  reschedule(unit: string): string {
    return `${this.prefix}reschedules/${unit}`;
  }

  massLoss(): string {
    return `${this.prefix}losses/held`;
  }

  confirmedLosses(): string {
    return `${this.prefix}losses/confirmed`;
  }

  /** A record of events. The id grows, compared as text: the epoch, the term in it and the number of the record in that. */
  eventsRecord(id: string): string {
    return `${this.prefix}events/${id}`;
  }

  /** Undefined for keys of other versions or other programs: they are left alone. */
  parse(key: string): KeySubject | undefined {
    if (!key.startsWith(this.prefix)) return undefined;
    // Not split into an array: this takes a third of the time, and there are hundreds of thousands of keys.
    const kindEnd = key.indexOf("/", this.prefix.length);
    const kind = key.slice(this.prefix.length, kindEnd < 0 ? undefined : kindEnd);
    if (kindEnd < 0) return kind === "cluster" || kind === "leader" ? { kind } : undefined;
    const firstEnd = key.indexOf("/", kindEnd + 1);
    const first = key.slice(kindEnd + 1, firstEnd < 0 ? undefined : firstEnd);
    if (first === "") return undefined;
    if (firstEnd < 0) return parseNamed(kind, first);
    const second = key.slice(firstEnd + 1);
    return second === "" || second.includes("/") ? undefined : parseOfMachine(kind, first, second);
  }
}

/** Every key that begins with `prefix`, which must end in `/`. */
function below(prefix: string): Required<KeyRange> {
  // "0" is the character after "/".
  return { from: prefix, to: `${prefix.slice(0, -1)}0` };
}

function parseNamed(kind: string, name: string): KeySubject | undefined {
  switch (kind) {
    case "units":
      return { kind: "unit", name };
    case "bodies":
      return { kind: "body", hash: name };
    case "machines":
      return { kind: "machine", machineId: name };
    case "restarts":
      return { kind: "restart", id: name };
    case "reschedules":
      return { kind: "reschedule", unit: name };
    case "exclusive":
      return { kind: "exclusive-hold", unit: name };
    case "events":
      return { kind: "events", id: name };
    case "losses":
      if (name === "held") return { kind: "mass-loss" };
      return name === "confirmed" ? { kind: "confirmed-losses" } : undefined;
    default:
      return undefined;
  }
}

function parseOfMachine(kind: string, machineId: string, name: string): KeySubject | undefined {
  switch (kind) {
    case "metadata":
      return { kind: "metadata", machineId, key: name };
    case "assignments":
      return name === settledName
        ? { kind: "settled", machineId }
        : { kind: "assignment", machineId, unit: name };
    case "states":
      return { kind: "state", machineId, unit: name };
    default:
      return undefined;
  }
}
