/// <reference path="./dbus-next-connection.d.ts" />
import { setMaxListeners } from "node:events";
import { AbortedError, type Clock, FleetError } from "@fleet/runtime";
import { Variant } from "dbus-next/lib/variant.js";
import { z } from "zod";
import { DbusConnection, DbusRefusal, type DbusSignal } from "./dbus-connection.ts";
import type { UnitState } from "./told-states.ts";
import type { UnitStatus } from "./unit-manager.ts";
import { unitNameOf, unitObjectPath } from "./unit-object-path.ts";

const systemd = "org.freedesktop.systemd1";
const managerPath = "/org/freedesktop/systemd1";
const managerInterface = "org.freedesktop.systemd1.Manager";
const unitInterface = "org.freedesktop.systemd1.Unit";
const serviceInterface = "org.freedesktop.systemd1.Service";
const jobInterface = "org.freedesktop.systemd1.Job";
const propertiesInterface = "org.freedesktop.DBus.Properties";
const bus = "org.freedesktop.DBus";

/**
 * Everything that is listened to, added once per connection and never removed. No more than that: each start comes
 * with as many signals again (UnitNew, JobNew), and every one would have to be read. PropertiesChanged of the Unit
 * interface only: systemd sends a second, longer one per change for the unit's type, which says nothing here.
 */
const matchRules: readonly string[] = [
  `type='signal',sender='${systemd}',interface='${managerInterface}',member='JobRemoved'`,
  `type='signal',sender='${systemd}',interface='${managerInterface}',member='Reloading'`,
  `type='signal',sender='${systemd}',interface='${propertiesInterface}',member='PropertiesChanged',arg0='${unitInterface}'`,
  `type='signal',sender='${bus}',interface='${bus}',member='NameOwnerChanged',arg0='${systemd}'`,
];

/** systemd answers a reload when it is done with it: 250 ms at 600 units, and no bound in sight. */
const reloadTimeoutMs = 60_000;

const jobReply = z.tuple([z.string()]);
/** Number, 0 for none, and object path. */
const jobProperty = z.tuple([z.number(), z.string()]);
const jobRemovedBody = z.tuple([z.number(), z.string(), z.string(), z.string()]);
const stateProperty = z.object({ value: z.string() });
const propertiesChangedBody = z
  .tuple([z.string(), z.object({ ActiveState: stateProperty, SubState: stateProperty })])
  .rest(z.unknown());
const reloadingBody = z.tuple([z.boolean()]);
const propertyReply = z.tuple([z.object({ value: z.unknown() })]);
/** Name, description, load, active and sub state, the unit that it follows, object path, number and type of its job. */
const unitRow = z
  .tuple([
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.number(),
    z.string(),
  ])
  .rest(z.unknown());
const unitRowsReply = z.tuple([z.array(unitRow)]);

const startingJobs: ReadonlySet<string> = new Set(["start", "restart"]);

/** A setting of a transient unit: name, and signature and value of it. */
export type TransientProperty = readonly [name: string, value: readonly [signature: string, value: unknown]];

/** How a job ended: `done`, `canceled`, `timeout`, `failed`, `dependency`, `skipped`, … */
export type JobResult = string;

export interface ListedUnit extends UnitStatus {
  /** D-Bus object path. */
  readonly path: string;
}

export interface SystemdSessionOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  /** A unit may have changed; its active and sub state after it, where systemd said so. */
  readonly onChange: (name: string, state: UnitState | undefined) => void;
  /** systemd has read all unit files anew: any unit may have changed. */
  readonly onReload: () => void;
}

interface JobWaiter {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: FleetError) => void;
}

/**
 * systemd's manager interface over one connection, typed. Ends with the connection, and when systemd's name on
 * the bus changes hands (a restarted systemd knows nothing of our subscription).
 *
 * Invariants:
 * - a job's end is never missed: while a call that returns a job is unanswered, the ends of all jobs are kept,
 *   because JobRemoved may come before the reply that names the job;
 * - whoever waits for a job settles at the latest with the connection.
 */
export class SystemdSession {
  readonly #options: SystemdSessionOptions;
  readonly #jobWaiters = new Map<string, Set<JobWaiter>>();
  readonly #endedJobs = new Map<string, JobResult>();
  readonly #connection: DbusConnection;
  #unnamedJobs = 0;

  private constructor(options: SystemdSessionOptions, connection: DbusConnection) {
    this.#options = options;
    this.#connection = connection;
    void connection.closed.then((reason) => {
      for (const waiter of [...this.#jobWaiters.values()].flatMap((waiters) => [...waiters])) {
        waiter.reject(reason);
      }
      this.#jobWaiters.clear();
    });
  }

  /** Connects and subscribes to systemd's signals. Ends when the signal fires. */
  static async open(options: SystemdSessionOptions, signal: AbortSignal): Promise<SystemdSession> {
    let session: SystemdSession | undefined;
    const { address, clock, callTimeoutMs } = options;
    const onSignal = (received: DbusSignal): void => {
      if (session !== undefined) session.#receive(received);
    };
    const connection = await DbusConnection.open({ address, clock, callTimeoutMs, onSignal }, signal);
    session = new SystemdSession(options, connection);
    try {
      for (const rule of matchRules) await session.#busCall("AddMatch", "s", [rule]);
      await session.#call("Subscribe");
    } catch (error) {
      connection.close();
      throw error;
    }
    return session;
  }

  get closed(): Promise<FleetError> {
    return this.#connection.closed;
  }

  close(): void {
    this.#connection.close();
  }

  /** Where systemd looks for unit files. */
  async unitPath(): Promise<readonly string[]> {
    return parsed(z.array(z.string()), await this.#property(managerPath, managerInterface, "UnitPath"));
  }

  /** Queues a start job, replacing a queued one that conflicts with it. */
  async start(name: string): Promise<void> {
    await this.#call("StartUnit", "ss", [name, "replace"]);
  }

  /** Queues a stop job and waits for its end. */
  stop(name: string, signal: AbortSignal): Promise<JobResult> {
    return this.#awaitJob(async () => {
      return parsed(jobReply, await this.#call("StopUnit", "ss", [name, "replace"]))[0];
    }, signal);
  }

  /** Queues a restart job, which starts a unit that does not run, and waits for its end. */
  restart(name: string, signal: AbortSignal): Promise<JobResult> {
    return this.#awaitJob(async () => {
      return parsed(jobReply, await this.#call("RestartUnit", "ss", [name, "replace"]))[0];
    }, signal);
  }

  /**
   * Waits for the end of the job that is about to begin a new invocation: a restart, or a start that has not begun (what a
   * restart becomes once the unit has stopped). Undefined: there is none.
   */
  startUnderWay(unitPath: string, signal: AbortSignal): Promise<JobResult | undefined> {
    return this.#awaitJob(async () => {
      const [number, job] = parsed(jobProperty, await this.#property(unitPath, unitInterface, "Job"));
      if (number === 0) return undefined;
      try {
        const type = await this.#property(job, jobInterface, "JobType");
        if (type === "restart") return job;
        const begun = (await this.#property(job, jobInterface, "State")) !== "waiting";
        return type === "start" && !begun ? job : undefined;
      } catch (error) {
        // It has ended in between.
        if (error instanceof DbusRefusal) return undefined;
        throw error;
      }
    }, signal);
  }

  /** The unit's InvocationID in hexadecimal digits; empty when it has none. */
  async invocation(unitPath: string): Promise<string> {
    const id = parsed(
      z.instanceof(Uint8Array),
      await this.#property(unitPath, unitInterface, "InvocationID"),
    );
    return Buffer.from(id).toString("hex");
  }

  /** The named units; units not in memory are loaded for it. */
  async list(names: readonly string[]): Promise<ReadonlyMap<string, ListedUnit>> {
    const [rows] = parsed(unitRowsReply, await this.#call("ListUnitsByNames", "as", [names]));
    const listed = new Map<string, ListedUnit>();
    rows.forEach(([id, , load, active, sub, , path, , job], index) => {
      // An alias is listed under the unit's main name; rows come in the order asked for.
      const name = rows.length === names.length ? (names[index] ?? id) : id;
      listed.set(name, { load, active, sub, path, ...(startingJobs.has(job) ? { starting: true } : {}) });
    });
    return listed;
  }

  /** Whether what systemd has in memory of a unit is older than its file. A unit not in memory is loaded for it. */
  async needsReload(name: string): Promise<boolean> {
    return parsed(z.boolean(), await this.#property(unitObjectPath(name), unitInterface, "NeedDaemonReload"));
  }

  async reload(): Promise<void> {
    await this.#call("Reload", "", [], reloadTimeoutMs);
  }

  /** Links unit files (absolute paths) into the run-time search path. */
  async link(paths: readonly string[]): Promise<void> {
    await this.#call("LinkUnitFiles", "asbb", [paths, true, false]);
  }

  async enable(name: string): Promise<void> {
    await this.#call("EnableUnitFiles", "asbb", [[name], true, false]);
  }

  /** Removes every run-time symlink to the unit file: those of its [Install] section and a link to itself. */
  async disable(name: string): Promise<void> {
    await this.#call("DisableUnitFiles", "asb", [[name], true]);
  }

  /** When this systemd started, in microseconds of CLOCK_MONOTONIC: what OnStartupSec= of timers counts from. */
  async startedAtUs(): Promise<number> {
    const at = await this.#property(managerPath, managerInterface, "UserspaceTimestampMonotonic");
    return Number(parsed(z.bigint(), at));
  }

  /** Creates and starts a unit without a file; `others` come into being with it. */
  async startTransient(
    name: string,
    properties: readonly TransientProperty[],
    others: readonly (readonly [name: string, properties: readonly TransientProperty[]])[],
  ): Promise<string> {
    const variants = (of: readonly TransientProperty[]) =>
      of.map(([key, [signature, value]]) => [key, new Variant(signature, value)]);
    const auxiliary = others.map(([other, settings]) => [other, variants(settings)]);
    const body = [name, "replace", variants(properties), auxiliary];
    return parsed(jobReply, await this.#call("StartTransientUnit", "ssa(sv)a(sa(sv))", body))[0];
  }

  /** Starts a unit that has no file, and waits for the end of its start job. */
  runTransient(
    name: string,
    properties: readonly TransientProperty[],
    signal: AbortSignal,
  ): Promise<JobResult> {
    return this.#awaitJob(() => this.startTransient(name, properties, []), signal);
  }

  /** The units in memory whose names match one of the globs, in which a backslash stands for itself. No unit is loaded for it. */
  async listLike(globs: readonly string[]): Promise<readonly (ListedUnit & { readonly name: string })[]> {
    const [rows] = parsed(unitRowsReply, await this.#call("ListUnitsByPatterns", "asas", [[], globs]));
    return rows.map(([name, , load, active, sub, , path]) => ({ name, load, active, sub, path }));
  }

  /** The variables that a service sets, `name=value`. */
  async environment(servicePath: string): Promise<readonly string[]> {
    return parsed(z.array(z.string()), await this.#property(servicePath, serviceInterface, "Environment"));
  }

  async resetFailed(name: string): Promise<void> {
    await this.#call("ResetFailedUnit", "s", [name]);
  }

  #receive(signal: DbusSignal): void {
    if (signal.interface === propertiesInterface) {
      const name = unitNameOf(signal.path);
      if (name !== undefined) this.#options.onChange(name, stateIn(signal));
      return;
    }
    // UnitNew and UnitRemoved are not listened to: asking for the status of an inactive unit makes systemd load and
    // drop it, and would cause the next question. Real changes come with one of the others.
    switch (signal.member) {
      case "JobRemoved": {
        const [, job, unit, result] = parsed(jobRemovedBody, signal.body);
        this.#jobEnded(job, result);
        this.#options.onChange(unit, undefined);
        break;
      }
      case "Reloading": {
        const [begins] = parsed(reloadingBody, signal.body);
        if (!begins) this.#options.onReload();
        break;
      }
      case "NameOwnerChanged":
        this.close();
        break;
    }
  }

  #jobEnded(job: string, result: JobResult): void {
    if (this.#unnamedJobs > 0) this.#endedJobs.set(job, result);
    for (const waiter of this.#jobWaiters.get(job) ?? []) waiter.resolve(result);
    this.#jobWaiters.delete(job);
  }

  /** Waits for the end of the job that `name` finds or queues. */
  async #awaitJob(name: () => Promise<string>, signal: AbortSignal): Promise<JobResult>;
  async #awaitJob(
    name: () => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<JobResult | undefined>;
  async #awaitJob(
    name: () => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<JobResult | undefined> {
    this.#unnamedJobs += 1;
    let job: string | undefined;
    let ended: JobResult | undefined;
    try {
      job = await name();
      ended = job === undefined ? undefined : this.#endedJobs.get(job);
    } finally {
      this.#unnamedJobs -= 1;
      if (this.#unnamedJobs === 0) this.#endedJobs.clear();
    }
    if (job === undefined) return undefined;
    return ended ?? (await this.#jobEnd(job, signal));
  }

  #jobEnd(job: string, signal: AbortSignal): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      const waiters = this.#jobWaiters.get(job) ?? new Set();
      const settled = (): void => {
        signal.removeEventListener("abort", abort);
        waiters.delete(waiter);
      };
      const waiter: JobWaiter = {
        resolve: (result) => {
          settled();
          resolve(result);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      const abort = (): void => waiter.reject(new AbortedError(signal.reason));
      this.#jobWaiters.set(job, waiters.add(waiter));
      // One listener per stop under way, on a signal that the stops of all units share: no leak to be warned of.
      setMaxListeners(0, signal);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
    });
  }

  async #property(path: string, iface: string, name: string): Promise<unknown> {
    const reply = await this.#connection.call({
      destination: systemd,
      path,
      interface: propertiesInterface,
      member: "Get",
      signature: "ss",
      body: [iface, name],
    });
    return parsed(propertyReply, reply)[0].value;
  }

  #call(
    member: string,
    signature = "",
    body: readonly unknown[] = [],
    timeoutMs = this.#options.callTimeoutMs,
  ): Promise<readonly unknown[]> {
    return this.#connection.call({
      destination: systemd,
      path: managerPath,
      interface: managerInterface,
      member,
      signature,
      body,
      timeoutMs,
    });
  }

  #busCall(member: string, signature: string, body: readonly unknown[]): Promise<readonly unknown[]> {
    return this.#connection.call({
      destination: bus,
      path: "/org/freedesktop/DBus",
      interface: bus,
      member,
      signature,
      body,
    });
  }
}

function stateIn(signal: DbusSignal): UnitState | undefined {
  const body = propertiesChangedBody.safeParse(signal.body);
  if (!body.success) return undefined;
  const [, { ActiveState: active, SubState: sub }] = body.data;
  return { active: active.value, sub: sub.value };
}

function parsed<Value>(schema: z.ZodType<Value>, body: unknown): Value {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new FleetError("systemd_refused", "systemd answered in a form not known here", {
    cause: result.error,
  });
}
