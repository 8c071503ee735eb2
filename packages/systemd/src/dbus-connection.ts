/// <reference path="./dbus-next-connection.d.ts" />
import { type CancelTimer, type Clock, errorMessage, FleetError, throwIfAborted } from "@fleet/runtime";
import createConnection, { type WireConnection, type WireMessage } from "dbus-next/lib/connection.js";

export interface DbusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** D-Bus signature of `body`; empty when left out. */
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** Deadline in milliseconds, waiting for a free slot included; the connection's own when left out. */
  readonly timeoutMs?: number;
}

export interface DbusSignal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

export interface DbusConnectionOptions {
  /** `unix:path=…` or `unix:abstract=…`; of a list only the first counts. */
  readonly address: string;
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  readonly onSignal: (signal: DbusSignal) => void;
}

/** The callee answered with an error of its own. */
export class DbusRefusal extends FleetError {
  /** D-Bus error name, e.g. `org.freedesktop.systemd1.NoSuchUnit`. */
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super("systemd_refused", `${errorName}: ${message}`);
    this.errorName = errorName;
  }
}

interface PendingCall {
  readonly call: DbusCall;
  readonly resolve: (body: readonly unknown[]) => void;
  readonly reject: (error: FleetError) => void;
  readonly cancelTimeout: CancelTimer;
}

/**
 * The system bus drops a client with more than 128 calls unanswered (max_replies_per_connection): stay well
 * below, and queue the rest here, each under its own deadline.
 */
const maxCallsInFlight = 64;

const messageType = { call: 1, methodReturn: 2, error: 3, signal: 4 } as const;
/** A call must not make the bus start the service: systemd away means systemd away. */
const noAutoStart = 2;

/** The bus answers for a callee that is not there, or not to be reached for the moment. */
const absences: ReadonlySet<string> = new Set([
  "org.freedesktop.DBus.Error.Disconnected",
  "org.freedesktop.DBus.Error.LimitsExceeded",
  "org.freedesktop.DBus.Error.NameHasNoOwner",
  "org.freedesktop.DBus.Error.NoReply",
  "org.freedesktop.DBus.Error.ServiceUnknown",
]);

/**
 * One connection to a message bus, from `open` until it closes for whatever reason; never reconnects.
 *
 * Invariants:
 * - every call settles: by its reply, its deadline, or the end of the connection;
 * - once closed nothing is sent and no signal is delivered;
 * - no failure of the connection escapes as an unhandled event.
 */
export class DbusConnection {
  readonly #options: DbusConnectionOptions;
  readonly #wire: WireConnection;
  readonly #inFlight = new Map<number, PendingCall>();
  readonly #queued = new Set<PendingCall>();
  readonly #resolveClosed: (reason: FleetError) => void;
  readonly #forgetSignal: () => void;
  #lastSerial = 0;
  #closedBy: FleetError | undefined;

  /** Resolves when the connection has ended, with the reason. Never rejects. */
  readonly closed: Promise<FleetError>;

  private constructor(options: DbusConnectionOptions, wire: WireConnection, signal: AbortSignal) {
    this.#options = options;
    this.#wire = wire;
    const giveUp = (): void => this.close();
    signal.addEventListener("abort", giveUp, { once: true });
    this.#forgetSignal = () => signal.removeEventListener("abort", giveUp);
    let resolveClosed: (reason: FleetError) => void = () => {};
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    this.#resolveClosed = resolveClosed;
    wire.on("message", (message) => this.#receive(message));
    wire.on("error", (error) => this.#close(unavailable(errorMessage(error), error)));
    wire.on("end", () => this.#close(unavailable("the bus closed the connection")));
    // Comes after every kind of end, also those that the library passes over in silence.
    wire.stream.on("close", () => this.#close(unavailable("the connection to the bus closed")));
  }

  /**
   * Connects and introduces itself to the bus. Rejects with `systemd_unavailable` or `systemd_timeout`. The
   * signal ends the connection, at whatever time it fires.
   */
  static async open(options: DbusConnectionOptions, signal: AbortSignal): Promise<DbusConnection> {
    throwIfAborted(signal);
    let wire: WireConnection;
    try {
      wire = createConnection({ busAddress: socketAddress(options.address), authMethods: ["EXTERNAL"] });
    } catch (error) {
      throw unavailable(`cannot connect to ${options.address}: ${errorMessage(error)}`, error);
    }
    const connection = new DbusConnection(options, wire, signal);
    try {
      await connection.call({
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member: "Hello",
      });
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  /**
   * Calls a method and resolves with the body of its reply. Rejects with DbusRefusal, `systemd_timeout` (it may
   * have been carried out) or `systemd_unavailable`.
   */
  call(call: DbusCall): Promise<readonly unknown[]> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    const timeoutMs = call.timeoutMs ?? this.#options.callTimeoutMs;
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#options.clock.after(timeoutMs, () => {
        this.#drop(pending);
        reject(timedOut(call, timeoutMs));
        this.#sendQueued();
      });
      const pending: PendingCall = { call, resolve, reject, cancelTimeout };
      this.#queued.add(pending);
      this.#sendQueued();
    });
  }

  /** Ends the connection; calls still unanswered reject with `systemd_unavailable`. */
  close(): void {
    this.#close(unavailable("the connection was given up"));
  }

  #sendQueued(): void {
    for (const pending of this.#queued) {
      if (this.#inFlight.size >= maxCallsInFlight) return;
      this.#queued.delete(pending);
      this.#send(pending);
    }
  }

  #send(pending: PendingCall): void {
    const { destination, path, interface: iface, member, signature = "", body = [] } = pending.call;
    this.#lastSerial += 1;
    const serial = this.#lastSerial;
    this.#inFlight.set(serial, pending);
    try {
      this.#wire.message({
        type: messageType.call,
        flags: noAutoStart,
        serial,
        destination,
        path,
        interface: iface,
        member,
        signature,
        body,
      });
    } catch (error) {
      this.#inFlight.delete(serial);
      pending.cancelTimeout();
      pending.reject(unavailable(`cannot send ${member}: ${errorMessage(error)}`, error));
    }
  }

  #drop(pending: PendingCall): void {
    this.#queued.delete(pending);
    for (const [serial, candidate] of this.#inFlight) {
      if (candidate === pending) this.#inFlight.delete(serial);
    }
  }

  #receive(message: WireMessage): void {
    if (this.#closedBy !== undefined) return;
    if (message.type === messageType.signal) {
      const { path = "", interface: iface = "", member = "", body = [] } = message;
      try {
        this.#options.onSignal({ path, interface: iface, member, body });
      } catch (error) {
        // Nobody catches what is thrown in here; and a signal that was not understood is a change missed.
        this.#close(unavailable(`signal ${member} could not be handled: ${errorMessage(error)}`, error));
      }
      return;
    }
    const serial = message.replySerial ?? 0;
    const pending = this.#inFlight.get(serial);
    // Nothing is pending when the call's deadline has passed.
    if (pending === undefined) return;
    this.#inFlight.delete(serial);
    pending.cancelTimeout();
    if (message.type === messageType.error) pending.reject(refusal(message));
    else pending.resolve(message.body ?? []);
    this.#sendQueued();
  }

  #close(reason: FleetError): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    this.#forgetSignal();
    this.#wire.stream.destroy();
    for (const pending of [...this.#inFlight.values(), ...this.#queued]) {
      pending.cancelTimeout();
      pending.reject(reason);
    }
    this.#inFlight.clear();
    this.#queued.clear();
    this.#resolveClosed(reason);
  }
}

/**
 * The address in the one spelling (`unix:socket=`) for which dbus-next uses Node's own sockets: for `unix:path=`
 * it tries a native module that is known not to build.
 */
function socketAddress(address: string): string {
  const [first = ""] = address.split(";");
  const match = /^unix:(?:.*,)?(path|abstract)=([^,]*)/.exec(first);
  const [, kind, escaped] = match ?? [];
  if (kind === undefined || escaped === undefined || escaped === "") {
    throw unavailable("not a unix:path= or unix:abstract= address");
  }
  const path = decodeURIComponent(escaped);
  return `unix:socket=${kind === "abstract" ? "\0" : ""}${path}`;
}

function refusal(message: WireMessage): FleetError {
  const { errorName = "unknown", body = [] } = message;
  const [text] = body;
  const detail = typeof text === "string" ? text : "no details";
  return absences.has(errorName)
    ? unavailable(`${errorName}: ${detail}`)
    : new DbusRefusal(errorName, detail);
}

function timedOut(call: DbusCall, timeoutMs: number): FleetError {
  return new FleetError("systemd_timeout", `${call.member} was not answered within ${timeoutMs} ms`, {
    retryable: true,
  });
}

function unavailable(message: string, cause?: unknown): FleetError {
  return new FleetError("systemd_unavailable", message, { retryable: true, cause });
}
