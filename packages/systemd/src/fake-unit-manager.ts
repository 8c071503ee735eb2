import { setMaxListeners } from "node:events";
import { AbortedError, FleetError, throwIfAborted } from "@fleet/runtime";
import type { FakeSystemd } from "./fake-systemd.ts";
import type { Fence, UnitDirectory, UnitListener, UnitManager, UnitStatus } from "./unit-manager.ts";

/**
 * One fleetd's connection to a simulated systemd. Make a new one per fleetd process on the same FakeSystemd: what
 * systemd does goes on without it.
 *
 * Invariants:
 * - every call is answered in a later microtask, never in the caller's own turn;
 * - a call that was under way when the connection went rejects with `systemd_unavailable`, although systemd
 *   may carry it out;
 * - listeners hear nothing while disconnected, and `onReset` on every connect and daemon-reload.
 */
export class FakeUnitManager implements UnitManager {
  readonly #systemd: FakeSystemd;
  readonly #listeners = new Set<UnitListener>();
  readonly #pending = new Set<(error: FleetError) => void>();
  #running = false;
  #cut = false;
  #losingSignals = false;
  #losingReplies = false;

  constructor(systemd: FakeSystemd) {
    this.#systemd = systemd;
  }

  // Faults.

  /** The connection breaks and stays broken until `reconnect`. */
  disconnect(): void {
    this.#cut = true;
    this.#rejectPending();
  }

  /** The connection is back: listeners are told to look at everything. */
  reconnect(): void {
    this.#cut = false;
    if (this.#running) this.#connected();
  }

  /** While true, changes happen without a signal. */
  loseSignals(lose: boolean): void {
    this.#losingSignals = lose;
  }

  /** While true, calls are carried out, but reject with `systemd_timeout`. */
  loseReplies(lose: boolean): void {
    this.#losingReplies = lose;
  }

  // The port.

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#running = true;
    const unwatch = this.#systemd.watch(
      (name) => this.#signal((listener) => listener.onChange(name)),
      () => this.#signal((listener) => listener.onReset("reloaded")),
    );
    if (!this.#cut) this.#connected();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    unwatch();
    this.#running = false;
    this.#rejectPending();
  }

  subscribe(listener: UnitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async prepare(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#call(() => this.#systemd.reload(names));
  }

  start(name: string): Promise<void> {
    return this.#call(() => {
      this.#systemd.resetFailed(name);
      this.#systemd.start(name);
    });
  }

  invocation(name: string): Promise<string> {
    return this.#call(() => this.#systemd.invocation(name));
  }

  async restart(name: string, invocation: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.#mustBeConnected();
    const present = this.#systemd.invocation(name);
    if (present === "" || present === invocation) {
      await this.#wait(signal, ({ done, fail }) => {
        const stopWaiting = this.#systemd.awaitInvocation(name, (outcome) => {
          if (outcome === "begun") done();
          else fail(cancelled(name));
        });
        try {
          if (!this.#systemd.startIsQueued(name)) this.#systemd.restart(name);
        } catch (error) {
          stopWaiting();
          throw error;
        }
        return stopWaiting;
      });
    }
    this.#mustHaveReplied();
  }

  async stop(name: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.#mustBeConnected();
    await this.#wait(signal, ({ done, fail }) =>
      this.#systemd.stop(name, (outcome) => {
        if (outcome === "ended") done();
        else fail(overtaken(name));
      }),
    );
    this.#mustHaveReplied();
  }

  enable(name: string): Promise<void> {
    return this.#call(() => this.#systemd.enable(name));
  }

  disable(name: string): Promise<void> {
    return this.#call(() => this.#systemd.disable(name));
  }

  forget(name: string): Promise<void> {
    return this.#call(() => this.#systemd.forget(name));
  }

  fence(name: string, fence: Fence | undefined): Promise<readonly string[]> {
    return this.#call(() => this.#systemd.fence(name, fence));
  }

  status(names: readonly string[]): Promise<ReadonlyMap<string, UnitStatus>> {
    return this.#call(() => new Map(names.map((name) => [name, this.#systemd.status(name)])));
  }

  /** Until what `begin` has begun is done or has failed, the connection goes or the signal fires. */
  async #wait(
    signal: AbortSignal,
    begin: (outcome: { readonly done: () => void; readonly fail: (error: FleetError) => void }) => () => void,
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (action: () => void): void => {
        this.#pending.delete(fail);
        signal.removeEventListener("abort", abort);
        stopWaiting();
        action();
      };
      const fail = (error: FleetError): void => settle(() => reject(error));
      const abort = (): void => settle(() => reject(new AbortedError(signal.reason)));
      let stopWaiting = (): void => {};
      this.#pending.add(fail);
      // One listener per job under way, on a signal that those of all units share: no leak to be warned of.
      setMaxListeners(0, signal);
      signal.addEventListener("abort", abort, { once: true });
      try {
        stopWaiting = begin({ done: () => settle(resolve), fail });
      } catch (error) {
        settle(() => reject(error));
      }
    });
  }

  async #call<Result>(action: () => Result): Promise<Result> {
    this.#mustBeConnected();
    const result = action();
    // The reply travels for a turn: the connection may break meanwhile.
    await Promise.resolve();
    this.#mustBeConnected();
    this.#mustHaveReplied();
    return result;
  }

  #mustBeConnected(): void {
    if (!this.#running || this.#cut) throw unavailable();
  }

  #mustHaveReplied(): void {
    if (this.#losingReplies) {
      throw new FleetError("systemd_timeout", "systemd did not answer in time", { retryable: true });
    }
  }

  #rejectPending(): void {
    for (const fail of [...this.#pending]) fail(unavailable());
  }

  #signal(tell: (listener: UnitListener) => void): void {
    if (this.#cut || this.#losingSignals) return;
    // A signal is its own message: never inside the call that caused it.
    void Promise.resolve().then(() => {
      for (const listener of [...this.#listeners]) tell(listener);
    });
  }

  #connected(): void {
    for (const listener of [...this.#listeners]) listener.onReset("connected");
  }
}

/** The unit directory of a simulated systemd. */
export class FakeUnitDirectory implements UnitDirectory {
  readonly #systemd: FakeSystemd;
  #failure: string | undefined;
  #failing: string | undefined;

  constructor(systemd: FakeSystemd) {
    this.#systemd = systemd;
  }

  /** Every call, or every one of that name, fails with this errno (`ENOSPC`) until called with undefined. */
  fail(errno: string | undefined, call?: "write"): void {
    this.#failure = errno;
    this.#failing = call;
  }

  async write(name: string, text: string): Promise<void> {
    this.#mustWork("write", name);
    this.#systemd.write(name, text);
  }

  async read(name: string): Promise<string | undefined> {
    this.#mustWork("read", name);
    return this.#systemd.read(name);
  }

  async remove(name: string): Promise<void> {
    this.#mustWork("remove", name);
    this.#systemd.remove(name);
  }

  #mustWork(action: string, name: string): void {
    if (this.#failure === undefined || (this.#failing ?? action) !== action) return;
    throw new FleetError("unit_directory_failed", `cannot ${action} unit file ${name}: ${this.#failure}`);
  }
}

function overtaken(name: string): FleetError {
  return new FleetError("systemd_refused", `the stop of ${name} was overtaken by a start`);
}

function cancelled(name: string): FleetError {
  return new FleetError("systemd_refused", `the restart of ${name} was overtaken by a stop`);
}

function unavailable(): FleetError {
  return new FleetError("systemd_unavailable", "no connection to systemd", { retryable: true });
}
