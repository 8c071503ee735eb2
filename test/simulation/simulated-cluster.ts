import { parseUnitFile, type TargetState, unitHash } from "@fleet/core";
import { Registry } from "@fleet/registry";
import { errorCode, type Logger, type Random, silentLogger } from "@fleet/runtime";
import { EtcdClient } from "./etcd-client.ts";
import { seededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { type Caller, SimulatedEtcd } from "./simulated-etcd.ts";
import { latestFormat, prefix, SimulatedMachine } from "./simulated-machine.ts";
import { isAmbiguous, withLostReplies } from "./users-way.ts";

/** What a user of the simulated cluster has been promised. */
export interface AcknowledgedIntent {
  readonly text: string;
  readonly target: TargetState;
}

/** The only one who writes intent. */
export const user: Caller = { name: "user" };

/** What becomes of a value that is corrupted. */
export const unreadable = "{garbage";
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
  /** When such values were last written back. */
  repairedAtMs = Number.NEGATIVE_INFINITY;
  readonly #user: Registry;
  #lostReplyShare = 0;

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
      store: withLostReplies(
        new EtcdClient(etcd, user, clock, random, true),
        () => this.#lostReplyShare > 0 && random() < this.#lostReplyShare,
      ),
      prefix,
      formats: [1, latestFormat],
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

  /** This share of the user's requests is carried out and reported as failed. */
  loseUsersReplies(share: number): void {
    this.#lostReplyShare = share;
  }

  /** A user asks for something through the API of a healthy fleetd. Rejects when that failed, and was not carried out. */
  async ask(unit: string, target: TargetState, text?: string): Promise<void> {
    this.askedAt.set(unit, this.clock.monotonic());
    const file = text === undefined ? undefined : parseUnitFile(text);
    const options = file?.ok === true ? { options: file.value } : {};
    const before = this.acknowledged.get(unit);
    const wanted = { text: text ?? before?.text ?? "", target };
    try {
      const outcome = await this.#user.intents.put({ name: unit, target, ...options });
      if (outcome.outcome === "refused") return;
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
      if (!this.#isWhichever(unit, wanted, before)) return;
    }
    this.acknowledged.set(unit, wanted);
  }

  async destroy(unit: string): Promise<void> {
    this.askedAt.set(unit, this.clock.monotonic());
    try {
      await this.#user.intents.destroy(unit);
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
      if (!this.#isWhichever(unit, undefined, this.acknowledged.get(unit))) return;
    }
    this.acknowledged.delete(unit);
  }

  /**
   * After a request of which nobody knows whether it was carried out: true when it was. Throws when the unit is neither as
   * it was nor as it was asked for.
   */
  #isWhichever(
    unit: string,
    wanted: AcknowledgedIntent | undefined,
    before: AcknowledgedIntent | undefined,
  ): boolean {
    const key = `${prefix}units/${unit}`;
    const row = this.etcd.truth.range({ from: key }).rows[0];
    const readable = row?.value === unreadable ? this.corrupted.get(key) : row?.value;
    const stored = readable === undefined ? undefined : intentIn(readable);
    const [was, asked] = [before, wanted].map((intent) => intent && intentOf(intent));
    if (stored === asked) return true;
    if (stored === was) return false;
    throw new Error(
      `${unit} is ${stored} after a request of unknown outcome; it was ${was}, and was to be ${asked}`,
    );
  }

  /** A user asks for a restart; undefined when it is refused. Units that are loaded are launched with that. */
  async restart(units: readonly string[], parallel: number): Promise<string | undefined> {
    const { revision } = this.etcd.truth;
    try {
      const outcome = await this.#user.restarts.create({ units, parallel });
      if (outcome.outcome === "refused") return undefined;
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
    }
    const created = this.rows("restarts/").find(({ createRevision }) => createRevision > revision);
    if (created === undefined) return undefined;
    for (const unit of units) {
      const asked = this.acknowledged.get(unit);
      if (asked?.target !== "loaded") continue;
      this.acknowledged.set(unit, { ...asked, target: "launched" });
      this.startedByRestart.add(`${created.createRevision} ${unit}`);
    }
    return created.key;
  }

  async cancelRestart(id: string): Promise<void> {
    try {
      await this.#user.restarts.cancel(id);
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
    }
  }

  /** An operator says that the machines which are held for after a mass loss are lost; resolves with how many. */
  async confirmLosses(): Promise<number> {
    try {
      return (await this.#user.losses.confirm()).length;
    } catch (error) {
      if (!isAmbiguous(error) && errorCode(error) !== "etcd_no_space") throw error;
      return 0;
    }
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
    this.#put(key, unreadable, row.leaseId);
  }

  /** An operator writes the values back that were unreadable, where they still are. */
  repair(): void {
    for (const [key, value] of this.corrupted) {
      const row = this.etcd.truth.range({ from: key }).rows[0];
      if (row?.value === unreadable) this.#put(key, value, row.leaseId);
    }
    if (this.corrupted.size > 0) this.repairedAtMs = this.clock.monotonic();
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

function intentIn(record: string): string {
  const { hash, target } = JSON.parse(record);
  return `${target} ${hash}`;
}

function intentOf({ text, target }: AcknowledgedIntent): string {
  const file = parseUnitFile(text);
  return `${target} ${file.ok ? unitHash(file.value) : "unreadable"}`;
}

function spread(random: Random, most: number): number {
  return (random() * 2 - 1) * most;
}
