import { parseUnitFile, type TargetState } from "@fleet/core";
import { Registry } from "@fleet/registry";
import { type Logger, type Random, silentLogger } from "@fleet/runtime";
import { EtcdClient } from "./etcd-client.ts";
import { seededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { type Caller, SimulatedEtcd } from "./simulated-etcd.ts";
import { prefix, SimulatedMachine } from "./simulated-machine.ts";

/** What a user of the simulated cluster has been promised. */
export interface AcknowledgedIntent {
  readonly text: string;
  readonly target: TargetState;
}

/** The only one who writes intent. */
export const user: Caller = { name: "user" };

/** Wall clocks differ by up to this; nothing may depend on them. */
const maxOffsetMs = 3_600_000;
/** Monotonic clocks run this much too fast or too slow at most: far more than real ones. */
const maxDrift = 0.02;

/** Whole machines with production agents and engines around one in-memory etcd, on simulated time. */
export class SimulatedCluster {
  readonly clock: SimulatedClock;
  readonly etcd: SimulatedEtcd;
  readonly machines: readonly SimulatedMachine[];
  /** What was acknowledged, by unit. */
  readonly acknowledged = new Map<string, AcknowledgedIntent>();
  /** When something was last asked for, by unit. */
  readonly askedAt = new Map<string, number>();
  /** `number unit`: not to run when the restart was asked for, and started by it, all of them at once. */
  readonly startedByRestart = new Set<string>();
  /** Keys whose value has been made unreadable, and the value before. */
  readonly corrupted = new Map<string, string>();
  readonly #user: Registry;

  constructor(
    seed: number,
    metadata: readonly Readonly<Record<string, string>>[],
    options: { readonly clock?: SimulatedClock; readonly logger?: Logger } = {},
  ) {
    const { clock = new SimulatedClock(), logger = silentLogger } = options;
    const etcd = new SimulatedEtcd(clock);
    this.clock = clock;
    this.etcd = etcd;
    const random = seededRandom(seed);
    this.machines = metadata.map((values, index) => {
      const digit = (index + 1).toString(16);
      const skew = { offsetMs: spread(random, maxOffsetMs), rate: 1 + spread(random, maxDrift) };
      return new SimulatedMachine({
        id: digit.repeat(32),
        metadata: values,
        etcd,
        clock,
        skew,
        random,
        logger,
      });
    });
    this.#user = new Registry({
      store: new EtcdClient(etcd, user, clock, random, true),
      prefix,
      memory: { load: async () => undefined, save: async () => {} },
      clock,
      random,
      logger: silentLogger,
    });
  }

  /** Starts all machines and waits until each is registered and settled. */
  async start(): Promise<void> {
    for (const machine of this.machines) machine.start();
    await this.clock.advanceUntil(
      () => this.machines.every((machine) => machine.report?.settled === true),
      30_000,
    );
    await this.#user.guard.open(new AbortController().signal);
  }

  /** A user asks for something through the API of a healthy fleetd. */
  async ask(unit: string, target: TargetState, text?: string): Promise<void> {
    this.askedAt.set(unit, this.clock.monotonic());
    const file = text === undefined ? undefined : parseUnitFile(text);
    const options = file?.ok === true ? { options: file.value } : {};
    const outcome = await this.#user.intents.put({ name: unit, target, ...options });
    if (outcome.outcome === "refused") return;
    this.acknowledged.set(unit, { text: text ?? this.acknowledged.get(unit)?.text ?? "", target });
  }

  async destroy(unit: string): Promise<void> {
    this.askedAt.set(unit, this.clock.monotonic());
    await this.#user.intents.destroy(unit);
    this.acknowledged.delete(unit);
  }

  /** A user asks for a restart; undefined when it is refused. Units that are loaded are launched with that. */
  async restart(units: readonly string[], parallel: number): Promise<string | undefined> {
    const outcome = await this.#user.restarts.create({ units, parallel });
    if (outcome.outcome === "refused") return undefined;
    for (const unit of units) {
      const asked = this.acknowledged.get(unit);
      if (asked?.target !== "loaded") continue;
      this.acknowledged.set(unit, { ...asked, target: "launched" });
      this.startedByRestart.add(`${outcome.restart.createRevision} ${unit}`);
    }
    return outcome.restart.id;
  }

  async cancelRestart(id: string): Promise<void> {
    await this.#user.restarts.cancel(id);
  }

  machinesWithMetadata(): readonly { readonly id: string; readonly metadata: ReadonlyMap<string, string> }[] {
    return this.machines.map(({ id, metadata }) => ({ id, metadata: new Map(Object.entries(metadata)) }));
  }

  /** Keys and values below a sub-prefix of the store, without the sub-prefix. */
  rows(below: string): readonly {
    readonly key: string;
    readonly value: string;
    readonly modRevision: number;
    readonly createRevision: number;
  }[] {
    const from = `${prefix}${below}`;
    const to = `${from.slice(0, -1)}0`;
    return this.etcd.truth.range({ from, to }).rows.map(({ key, value, modRevision, createRevision }) => {
      return { key: key.slice(from.length), value, modRevision, createRevision };
    });
  }

  /** `machine id/unit` of all assignments. */
  assignments(): readonly string[] {
    return this.rows("assignments/")
      .map(({ key }) => key)
      .filter((key) => !key.includes("@settled"));
  }

  /** Makes the value of a key unreadable, keeping the key and its lease. */
  corrupt(key: string): void {
    const row = this.etcd.truth.range({ from: key }).rows[0];
    if (row === undefined || this.corrupted.has(key)) return;
    this.corrupted.set(key, row.value);
    this.#put(key, "{garbage", row.leaseId);
  }

  /** An operator writes the values back that were unreadable, where they still are. */
  repair(): void {
    for (const [key, value] of this.corrupted) {
      const row = this.etcd.truth.range({ from: key }).rows[0];
      if (row?.value === "{garbage") this.#put(key, value, row.leaseId);
    }
    this.corrupted.clear();
  }

  #put(key: string, value: string, leaseId: string): void {
    const lease = leaseId === "0" ? {} : { leaseId };
    this.etcd.truth.txn({ compares: [], success: [{ op: "put", key, value, ...lease }] });
  }

  close(): void {
    for (const machine of this.machines) machine.kill();
    this.etcd.close();
  }
}

function spread(random: Random, most: number): number {
  return (random() * 2 - 1) * most;
}
