/// <reference path="../../packages/systemd/src/dbus-next-connection.d.ts" />
import { once } from "node:events";
import createConnection, { type WireConnection, type WireMessage } from "dbus-next/lib/connection.js";

const systemd = "org.freedesktop.systemd1";
const managerInterface = `${systemd}.Manager`;
const unitPathPrefix = "/org/freedesktop/systemd1/unit/";
const bus = "org.freedesktop.DBus";
const messageType = { call: 1, methodReturn: 2, error: 3, signal: 4 } as const;

/** What systemd told of a unit. */
export interface DirectSignal {
  readonly unit: string;
  /** By `performance.now()`. */
  readonly atMs: number;
}

/** A systemd reached over D-Bus with the library's wire layer and nothing of fleet's: what can be had at best. */
export class DirectSystemd {
  readonly #wire: WireConnection;
  readonly #replies = new Map<number, (message: WireMessage) => void>();
  readonly #jobs = new Map<string, () => void>();
  /** Ends of jobs that came before the reply that names the job. */
  readonly #ended = new Set<string>();
  readonly #listeners = new Set<(signal: DirectSignal) => void>();
  #serial = 0;
  #counted = 0;

  private constructor(socket: string) {
    this.#wire = createConnection({ busAddress: `unix:socket=${socket}`, authMethods: ["EXTERNAL"] });
    this.#wire.on("message", (message) => this.#receive(message));
    this.#wire.on("error", () => {});
  }

  /** Connects, without listening to anything. */
  static async connect(socket: string): Promise<DirectSystemd> {
    const direct = new DirectSystemd(socket);
    await direct.#busCall("Hello");
    return direct;
  }

  /** Connects and hears of the ends of jobs; with `units`, of changes of units too. */
  static async subscribed(socket: string, units = false): Promise<DirectSystemd> {
    const direct = await DirectSystemd.connect(socket);
    const rules = [`type='signal',sender='${systemd}',interface='${managerInterface}',member='JobRemoved'`];
    if (units) {
      rules.push(
        `type='signal',sender='${systemd}',interface='${bus}.Properties',member='PropertiesChanged',arg0='${systemd}.Unit'`,
      );
    }
    for (const rule of rules) await direct.#busCall("AddMatch", "s", [rule]);
    await direct.#managerCall("Subscribe");
    return direct;
  }

  /** A connection that does nothing but count whatever passes over the bus. */
  static async monitor(socket: string): Promise<DirectSystemd> {
    const direct = await DirectSystemd.connect(socket);
    await direct.#call(bus, "/org/freedesktop/DBus", `${bus}.Monitoring`, "BecomeMonitor", "asu", [[], 0]);
    return direct;
  }

  /** How many messages have arrived here. */
  get counted(): number {
    return this.#counted;
  }

  /** Queues a start job and waits for its end. */
  start(unit: string): Promise<void> {
    return this.#job("StartUnit", unit);
  }

  /** Queues a stop job and waits for its end. */
  stop(unit: string): Promise<void> {
    return this.#job("StopUnit", unit);
  }

  /** SIGKILL to all processes of the unit. */
  async killUnit(unit: string): Promise<void> {
    await this.#managerCall("KillUnit", "ssi", [unit, "all", 9]);
  }

  /** Forgets that units have failed. */
  async resetFailed(): Promise<void> {
    await this.#managerCall("ResetFailed");
  }

  /** How many of the units are active. */
  async countActive(units: readonly string[]): Promise<number> {
    const { body = [] } = await this.#managerCall("ListUnitsByNames", "as", [units]);
    const [rows] = body;
    if (!Array.isArray(rows)) throw new Error("systemd lists no units");
    return rows.filter((row) => Array.isArray(row) && row[3] === "active").length;
  }

  onUnit(listener: (signal: DirectSignal) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#wire.stream.destroyed) return;
    const closed = once(this.#wire.stream, "close");
    this.#wire.stream.destroy();
    await closed;
  }

  async #job(member: string, unit: string): Promise<void> {
    const { body: [job] = [] } = await this.#managerCall(member, "ss", [unit, "replace"]);
    if (typeof job !== "string") throw new Error(`${member} of ${unit} gave no job`);
    if (this.#ended.delete(job)) return;
    await new Promise<void>((resolve) => {
      this.#jobs.set(job, resolve);
    });
  }

  #managerCall(member: string, signature = "", body: readonly unknown[] = []): Promise<WireMessage> {
    return this.#call(systemd, "/org/freedesktop/systemd1", managerInterface, member, signature, body);
  }

  #busCall(member: string, signature = "", body: readonly unknown[] = []): Promise<WireMessage> {
    return this.#call(bus, "/org/freedesktop/DBus", bus, member, signature, body);
  }

  async #call(
    destination: string,
    path: string,
    iface: string,
    member: string,
    signature: string,
    body: readonly unknown[],
  ): Promise<WireMessage> {
    this.#serial += 1;
    const serial = this.#serial;
    const type = messageType.call;
    const answered = new Promise<WireMessage>((resolve) => {
      this.#replies.set(serial, resolve);
    });
    this.#wire.message({ type, serial, destination, path, interface: iface, member, signature, body });
    const answer = await answered;
    if (answer.type === messageType.error) throw new Error(`${member}: ${answer.errorName}`);
    return answer;
  }

  #receive(message: WireMessage): void {
    this.#counted += 1;
    if (message.type !== messageType.signal) {
      const serial = message.replySerial ?? 0;
      this.#replies.get(serial)?.(message);
      this.#replies.delete(serial);
      return;
    }
    if (message.member === "JobRemoved") this.#jobRemoved(message.body?.[1]);
    if (message.member === "PropertiesChanged" && message.path?.startsWith(unitPathPrefix) === true) {
      const signal = { unit: unitOf(message.path), atMs: performance.now() };
      for (const listener of this.#listeners) listener(signal);
    }
  }

  #jobRemoved(job: unknown): void {
    if (typeof job !== "string") return;
    const resolve = this.#jobs.get(job);
    if (resolve === undefined) this.#ended.add(job);
    else {
      this.#jobs.delete(job);
      resolve();
    }
  }
}

/** In object paths all but letters and digits is `_` and two hexadecimal digits. */
function unitOf(path: string): string {
  return path
    .slice(unitPathPrefix.length)
    .replaceAll(/_([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
