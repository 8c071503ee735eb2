import { join, resolve } from "node:path";
import {
  Backoff,
  type Clock,
  errorCode,
  errorMessage,
  FleetError,
  type Logger,
  type Random,
  sleep,
  throwIfAborted,
} from "@fleet/runtime";
import { DbusRefusal } from "./dbus-connection.ts";
import { DbusFence } from "./dbus-fence.ts";
import { InvocationWait, unitPath } from "./invocation-wait.ts";
import { stopByConflict } from "./stop-by-conflict.ts";
import { type ListedUnit, SystemdSession } from "./systemd-session.ts";
import { ToldStates } from "./told-states.ts";
import type { Fence, UnitListener, UnitManager, UnitStatus } from "./unit-manager.ts";

export interface DbusUnitManagerOptions {
  /**
   * D-Bus address of the bus that systemd is on: `unix:path=/run/dbus/system_bus_socket` for the system's, the
   * user's session bus for `systemd --user`.
   */
  readonly address: string;
  /** The unit directory as systemd sees it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Deadline of each call. 10 s unless given. */
  readonly callTimeoutMs?: number;
}

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
/** What systemd says of a name that no unit can have, on stopping it and on disabling it. */
const invalidArguments = "org.freedesktop.DBus.Error.InvalidArgs";
const badUnitSetting = "org.freedesktop.systemd1.BadUnitSetting";
/** `RefuseManualStop=` in the unit file; said whether or not there is anything to stop. */
const onlyByDependency = "org.freedesktop.systemd1.OnlyByDependency";
const never = new AbortController().signal;
const notFound: UnitStatus = { load: "not-found", active: "inactive", sub: "dead" };

/** A connected systemd, and what was found out about it. */
interface Connected {
  readonly session: SystemdSession;
  /** The unit directory is outside the search path: each unit file needs a link. */
  readonly links: boolean;
}

/** A stop being waited for. */
interface StopUnderWay {
  readonly name: string;
  /** A start of the unit was asked for since: stopping it again would undo that. */
  overtaken: boolean;
}

/**
 * systemd over D-Bus.
 *
 * Invariants:
 * - no call waits for another one, save for the one reload that several share;
 * - a call begun on a connection settles at the latest when that connection ends;
 * - listeners hear `onReset` after every connect, so that nothing missed meanwhile stays unseen.
 */
export class DbusUnitManager implements UnitManager {
  readonly #options: DbusUnitManagerOptions;
  readonly #listeners = new Set<UnitListener>();
  /** Why a unit's file could not be linked: told by the start that would otherwise run some other file. */
  readonly #linkFailures = new Map<string, FleetError>();
  readonly #stops = new Set<StopUnderWay>();
  /** Units whose files were written, and that systemd has not been asked for since. */
  readonly #unseen = new Set<string>();
  /**
   * Units that `prepare` asks for, and that it was told are not in memory: systemd has no failure of theirs to forget, unless it
   * has told of them since.
   */
  readonly #notInMemory = new Map<string, "asked" | "told">();
  readonly #toldStates = new ToldStates();
  readonly #fence: DbusFence;
  readonly #signalCallbacks = new Map<string, Set<() => void>>();
  #stopsByConflict = 0;
  #connected: Connected | undefined;
  #reloadUnderWay: Promise<void> | undefined;
  #nextReload: Promise<void> | undefined;

  constructor(options: DbusUnitManagerOptions) {
    this.#options = options;
    this.#fence = new DbusFence(options.clock);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger, address } = this.#options;
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000 }, random);
    let complained = false;
    while (!signal.aborted) {
      try {
        const reason = await this.#serve(signal, () => {
          backoff.reset();
          complained = false;
        });
        if (!signal.aborted) logger.warn("systemd_disconnected", { address, reason: reason.message });
      } catch (error) {
        // Said once per outage, not per attempt.
        if (!complained && !signal.aborted) {
          logger.error("systemd_unreachable", {
            address,
            code: errorCode(error),
            message: errorMessage(error),
          });
        }
        complained = true;
      }
      await sleep(clock, backoff.next(), signal).catch(() => {});
    }
  }

  subscribe(listener: UnitListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async prepare(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { session, links } = this.#mustBeConnected();
    if (links) await this.#link(session, names);
    for (const name of names) {
      this.#unseen.add(name);
      this.#notInMemory.set(name, "asked");
    }
    // Only what is in memory can be outdated. To ask for the others by name would have systemd load them, drop them and tell
    // of all that they depend on, each time: that took longer than all else of a start.
    const inMemory = await session.listLike(names);
    for (const { name } of inMemory) this.#notInMemory.delete(name);
    for (const name of names) if (this.#notInMemory.has(name)) this.#notInMemory.set(name, "told");
    // Old systemds (< 246) remember that there was no such file.
    const missing = inMemory.some(({ load }) => load === "not-found");
    const outdated = await Promise.all(inMemory.map(({ name }) => session.needsReload(name)));
    if (missing || outdated.includes(true)) await this.#reload(session);
  }

  async start(name: string): Promise<void> {
    const { session } = this.#mustBeConnected();
    const mayHaveFailed = this.#notInMemory.get(name) !== "told";
    this.#notInMemory.delete(name);
    await this.#asStarter(session, name, async () => {
      // Without waiting in between, so that listeners rarely see the unit inactive: systemd answers in order.
      const [reset, started] = await Promise.allSettled([
        mayHaveFailed ? this.#resetFailed(session, name) : undefined,
        session.start(name),
      ]);
      if (started.status === "rejected") throw started.reason;
      if (reset.status === "rejected") throw reset.reason;
    });
    this.#unseen.delete(name);
  }

  async invocation(name: string): Promise<string> {
    const { session } = this.#mustBeConnected();
    return await session.invocation(await unitPath(session, name));
  }

  async restart(name: string, invocation: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { session } = this.#mustBeConnected();
    const wait = new InvocationWait(session, name, invocation);
    const unsubscribe = this.#onSignalOf(name, () => wait.look());
    try {
      if (await wait.hasBegun()) return;
      const path = await unitPath(session, name);
      await wait.during((waiting) => session.startUnderWay(path, waiting), signal);
      if (await wait.hasBegun()) return;
      const result = await wait.during(
        (waiting) => this.#asStarter(session, name, () => session.restart(name, waiting)),
        signal,
      );
      // A unit that has finished and was forgotten since has no invocation any more.
      if (result === undefined || result === "done" || (await wait.hasBegun())) return;
      throw new FleetError("systemd_refused", `the restart job of ${name} ended with ${result}`);
    } finally {
      unsubscribe();
    }
  }

  async stop(name: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const { session } = this.#mustBeConnected();
    const stop: StopUnderWay = { name, overtaken: false };
    this.#stops.add(stop);
    try {
      while (!(await this.#stopOnce(session, name, signal))) {
        if (stop.overtaken) {
          throw new FleetError("systemd_refused", `the stop of ${name} was overtaken by a start`);
        }
      }
    } finally {
      this.#stops.delete(stop);
    }
  }

  async enable(name: string): Promise<void> {
    await this.#mustBeConnected().session.enable(name);
  }

  async disable(name: string): Promise<void> {
    const { session, links } = this.#mustBeConnected();
    await this.#removeLinks(session, name);
    // Took away the link to the unit file as well, and the unit is to stay loaded.
    if (links) await this.#link(session, [name]);
  }

  async forget(name: string): Promise<void> {
    const { session, links } = this.#mustBeConnected();
    this.#linkFailures.delete(name);
    this.#toldStates.forget(name);
    this.#unseen.delete(name);
    this.#notInMemory.delete(name);
    if (links) await this.#removeLinks(session, name);
    await this.#resetFailed(session, name);
  }

  async fence(name: string, fence: Fence | undefined): Promise<readonly string[]> {
    const { session } = this.#mustBeConnected();
    // The ends of the jobs come with the connection, and its end with that of the jobs.
    return await this.#fence.set(session, name, fence, never);
  }

  async status(names: readonly string[]): Promise<ReadonlyMap<string, UnitStatus>> {
    const { session } = this.#mustBeConnected();
    if (names.length === 0) return new Map();
    for (const name of names) this.#toldStates.asked(name);
    const listed = await this.#listed(session, names);
    return new Map(
      names.map((name) => {
        const { load, active, sub, starting } = listed.get(name) ?? notFound;
        if (this.#toldStates.answered(name, { active, sub })) this.#tellChange(name);
        if (load === "not-found" && active === "inactive") this.#toldStates.forget(name);
        return [name, { load, active, sub, ...(starting ? { starting } : {}) }];
      }),
    );
  }

  /** With a reload where systemd does not know of a file that `prepare` was told of: see `#asStarter`. */
  async #listed(session: SystemdSession, names: readonly string[]): Promise<ReadonlyMap<string, ListedUnit>> {
    let listed = await session.list(names);
    const isMissing = (name: string): boolean => (listed.get(name) ?? notFound).load === "not-found";
    if (names.some((name) => this.#unseen.has(name) && isMissing(name))) {
      await this.#reload(session);
      listed = await session.list(names);
    }
    for (const name of names) this.#unseen.delete(name);
    return listed;
  }

  /** One connection from its begin to its end; resolves with the reason of the end. */
  async #serve(signal: AbortSignal, onConnected: () => void): Promise<FleetError> {
    const { clock, callTimeoutMs = 10_000, address, directory, logger } = this.#options;
    const session = await SystemdSession.open(
      {
        address,
        clock,
        callTimeoutMs,
        onChange: (name, state) => {
          this.#notInMemory.delete(name);
          for (const callback of this.#signalCallbacks.get(name) ?? []) callback();
          if (this.#toldStates.signalled(name, state)) this.#tellChange(name);
        },
        onReload: () => this.#tell((listener) => listener.onReset("reloaded")),
      },
      signal,
    );
    try {
      const searchPath = await session.unitPath();
      const links = !searchPath.some((path) => resolve(path) === resolve(directory));
      this.#connected = { session, links };
      this.#toldStates.clear();
      this.#unseen.clear();
      this.#notInMemory.clear();
      onConnected();
      logger.info("systemd_connected", { address });
      this.#tell((listener) => listener.onReset("connected"));
      return await session.closed;
    } finally {
      this.#connected = undefined;
      session.close();
    }
  }

  /** Runs what starts the unit, and overtakes its stops under way. */
  async #asStarter<Result>(
    session: SystemdSession,
    name: string,
    start: () => Promise<Result>,
  ): Promise<Result> {
    const linkFailure = this.#linkFailures.get(name);
    if (linkFailure !== undefined) throw linkFailure;
    for (const stop of this.#stops) stop.overtaken ||= stop.name === name;
    try {
      return await start();
    } catch (error) {
      if (!isRefused(error, noSuchUnit)) throw error;
      // systemd's list of files is keyed by directory times: a file of the very tick in which the list was made
      // is missed until the next reload.
      await this.#reload(session);
      return await start();
    }
  }

  async #resetFailed(session: SystemdSession, name: string): Promise<void> {
    try {
      await session.resetFailed(name);
    } catch (error) {
      if (!isRefused(error, noSuchUnit)) throw error;
    }
  }

  /** Calls back on every signal of the unit; returns how to end that. */
  #onSignalOf(name: string, callback: () => void): () => void {
    const callbacks = this.#signalCallbacks.get(name) ?? new Set();
    this.#signalCallbacks.set(name, callbacks.add(callback));
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0 && this.#signalCallbacks.get(name) === callbacks) {
        this.#signalCallbacks.delete(name);
      }
    };
  }

  #mustBeConnected(): Connected {
    if (this.#connected !== undefined) return this.#connected;
    throw new FleetError("systemd_unavailable", "no connection to systemd", { retryable: true });
  }

  #tellChange(name: string): void {
    this.#tell((listener) => listener.onChange(name));
  }

  #tell(tell: (listener: UnitListener) => void): void {
    for (const listener of [...this.#listeners]) tell(listener);
  }

  async #link(session: SystemdSession, names: readonly string[]): Promise<void> {
    const path = (name: string): string => join(resolve(this.#options.directory), name);
    for (const name of names) this.#linkFailures.delete(name);
    try {
      await session.link(names.map(path));
    } catch (error) {
      if (!(error instanceof DbusRefusal)) throw error;
      // One name that cannot be linked must not keep the others from it.
      await Promise.all(names.map((name) => this.#linkAlone(session, name, path(name))));
    }
  }

  /** None may be there: it was done before and interrupted after it, or systemd would not link the name at all. */
  async #removeLinks(session: SystemdSession, name: string): Promise<void> {
    try {
      await session.disable(name);
    } catch (error) {
      if (!isRefused(error, noSuchUnit, badUnitSetting)) throw error;
    }
  }

  async #linkAlone(session: SystemdSession, name: string, path: string): Promise<void> {
    try {
      await session.link([path]);
    } catch (error) {
      if (!(error instanceof DbusRefusal)) throw error;
      this.#linkFailures.set(name, error);
    }
  }

  /** Stops the unit; false when the job was cancelled and the unit has not ended. */
  async #stopOnce(session: SystemdSession, name: string, signal: AbortSignal): Promise<boolean> {
    let result: string;
    try {
      result = await session.stop(name, signal);
    } catch (error) {
      // A name that no unit can have, either: nothing runs under it.
      if (isRefused(error, noSuchUnit, invalidArguments)) return true;
      if (!isRefused(error, onlyByDependency)) throw error;
      if (hasEnded(await activeState(session, name))) return true;
      this.#stopsByConflict += 1;
      const by = `fleet-stop-${Math.floor(this.#options.clock.now())}-${this.#stopsByConflict}`;
      result = await stopByConflict(session, name, by, signal);
    }
    if (result === "done") return true;
    const active = await activeState(session, name);
    if (hasEnded(active)) return true;
    if (result === "canceled") return false;
    throw new FleetError("systemd_refused", `the stop job of ${name} ended with ${result}, it is ${active}`);
  }

  /**
   * A reload that begins after this call. Those who ask while one is under way share the next: it may have read
   * their files too early.
   */
  #reload(session: SystemdSession): Promise<void> {
    if (this.#reloadUnderWay === undefined) return this.#beginReload(session);
    this.#nextReload ??= this.#reloadUnderWay.then(
      () => this.#beginReload(session),
      () => this.#beginReload(session),
    );
    return this.#nextReload;
  }

  #beginReload(session: SystemdSession): Promise<void> {
    this.#nextReload = undefined;
    this.#options.logger.debug("systemd_reload");
    const reload = session.reload().finally(() => {
      this.#reloadUnderWay = undefined;
    });
    this.#reloadUnderWay = reload;
    return reload;
  }
}

async function activeState(session: SystemdSession, name: string): Promise<string> {
  return ((await session.list([name])).get(name) ?? notFound).active;
}

function hasEnded(active: string): boolean {
  return active === "inactive" || active === "failed";
}

function isRefused(error: unknown, ...reasons: readonly string[]): boolean {
  return error instanceof DbusRefusal && reasons.includes(error.errorName);
}
