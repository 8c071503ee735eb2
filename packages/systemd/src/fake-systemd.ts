import { type CancelTimer, type Clock, FleetError } from "@fleet/runtime";
import { FakeJobWaiters } from "./fake-job-waiters.ts";
import {
  type FakeSystemdEvent,
  type FakeSystemdEventKind,
  FakeSystemdHistory,
} from "./fake-systemd-history.ts";
import { behaviourOf, type FakeUnitBehaviour } from "./fake-unit-behaviour.ts";
import type { Fence, UnitStatus } from "./unit-manager.ts";

/** The unit is inactive, or a start has replaced the stop job. */
type StopOutcome = "ended" | "overtaken";

/** A new invocation has begun, or it will not. */
type RestartOutcome = "begun" | "cancelled";

interface FakeSystemdWatcher {
  readonly changed: (name: string) => void;
  readonly reloaded: () => void;
}

/** A unit in systemd's memory. */
interface LoadedUnit {
  readonly name: string;
  text: string;
  /** Empty before its first start. */
  invocation: string;
  active: UnitStatus["active"];
  sub: string;
  /** The step under way: start-pre, main process, ExecStop. */
  cancelStep: CancelTimer | undefined;
  /** A start asked for while the unit was still deactivating. */
  startAfterStop: boolean;
  /** A start that waits for other units: until then the unit is inactive. */
  startWaits: boolean;
}

const notFound: UnitStatus = { load: "not-found", active: "inactive", sub: "dead" };

/**
 * A simulated systemd and its unit directory: what a machine keeps while fleetd comes and goes. Reached through
 * FakeUnitManager and FakeUnitDirectory; tests script it and read `history`.
 *
 * Invariants:
 * - `#units` holds exactly the units systemd would keep in memory: not inactive, or with a job. Any other unit is read
 *   anew from its file whenever it is asked for, so only one of these can run outdated content;
 * - every state change happens on a call or a timer of the clock, and is told to the watchers after it.
 */
export class FakeSystemd {
  readonly #clock: Clock;
  readonly #files = new Map<string, string>();
  readonly #units = new Map<string, LoadedUnit>();
  readonly #enabled = new Set<string>();
  readonly #overrides = new Map<string, Partial<FakeUnitBehaviour>>();
  readonly #watchers = new Set<FakeSystemdWatcher>();
  readonly #history: FakeSystemdHistory;
  readonly #stopWaiters = new FakeJobWaiters<StopOutcome>();
  readonly #restartWaiters = new FakeJobWaiters<RestartOutcome>();
  /** Starts of each unit since its failure was last reset. */
  readonly #starts = new Map<string, number>();
  readonly #fences = new Map<string, { readonly cancel: CancelTimer; readonly fired: Set<string> }>();
  #invocations = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#history = new FakeSystemdHistory(clock);
  }

  // What tests see and script.

  get history(): readonly FakeSystemdEvent[] {
    return this.#history.events;
  }

  /** Names of the units that are not inactive or failed (ExecStop still under way counts), sorted. */
  running(): readonly string[] {
    return [...this.#units.values()]
      .filter((unit) => unit.active !== "failed" && unit.active !== "inactive")
      .map((unit) => unit.name)
      .sort();
  }

  /** Names of the enabled units, sorted. */
  enabled(): readonly string[] {
    return [...this.#enabled].sort();
  }

  /** Names of the unit files, sorted. */
  files(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  /** Overrides parts of what the unit file says, for steps that begin from now on. */
  behave(name: string, behaviour: Partial<FakeUnitBehaviour>): void {
    this.#overrides.set(name, { ...this.#overrides.get(name), ...behaviour });
  }

  /** The main process dies. Nothing happens to a unit that has none. */
  crash(name: string): void {
    const unit = this.#units.get(name);
    if (unit === undefined || (unit.active !== "active" && unit.active !== "activating")) return;
    this.#cancelStep(unit);
    this.#fail(unit);
  }

  /** Power lost and back: tmpfs (unit files, enablement) and all processes are gone. */
  reboot(): void {
    for (const name of this.running()) this.#record("lost", name);
    for (const unit of this.#units.values()) this.#cancelStep(unit);
    this.#units.clear();
    this.#stopWaiters.clear();
    this.#restartWaiters.clear();
    this.#starts.clear();
    this.#enabled.clear();
    for (const { cancel } of this.#fences.values()) cancel();
    this.#fences.clear();
    this.#files.clear();
    this.#record("rebooted", "");
  }

  // The unit directory.

  write(name: string, text: string): void {
    this.#files.set(name, text);
    this.#record("written", name);
  }

  read(name: string): string | undefined {
    return this.#files.get(name);
  }

  remove(name: string): void {
    if (this.#files.delete(name)) this.#record("removed", name);
  }

  // What systemd does when asked. Refusals carry systemd's own D-Bus error name.

  /** Calls `changed` after each state change of a unit, `reloaded` after each reload; returns how to end that. */
  watch(changed: (name: string) => void, reloaded: () => void = () => {}): () => void {
    const watcher: FakeSystemdWatcher = { changed, reloaded };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  status(name: string): UnitStatus {
    const unit = this.#units.get(name);
    if (unit !== undefined) {
      const starting = unit.startWaits || unit.startAfterStop || unit.active === "activating";
      return { load: "loaded", active: unit.active, sub: unit.sub, ...(starting ? { starting } : {}) };
    }
    const text = this.#files.get(name);
    if (text === undefined) return notFound;
    return { load: this.#behaviour(name, text).load, active: "inactive", sub: "dead" };
  }

  /** Reads changed files of units in memory, as a daemon-reload does. Does nothing when there are none. */
  reload(names: readonly string[]): void {
    const outdated = names.some((name) => {
      const text = this.#files.get(name);
      const unit = this.#units.get(name);
      return unit !== undefined && text !== undefined && text !== unit.text;
    });
    if (!outdated) return;
    this.daemonReload();
  }

  /** What an administrator may ask for as well. */
  daemonReload(): void {
    this.#record("reloaded", "");
    for (const unit of this.#units.values()) unit.text = this.#files.get(unit.name) ?? unit.text;
    for (const { reloaded } of [...this.#watchers]) reloaded();
  }

  start(name: string): void {
    const present = this.#startable(name);
    this.#record("start-queued", name);
    if (present.active === "inactive" || present.active === "failed") this.#begin(present);
    else if (present.active === "deactivating") this.#startAfterStop(present);
  }

  /** Empty for a unit that is not in memory. */
  invocation(name: string): string {
    return this.#units.get(name)?.invocation ?? "";
  }

  /** A start that has not begun: it waits, or is to follow the stop under way, of a restart or another one. */
  startIsQueued(name: string): boolean {
    const unit = this.#units.get(name);
    return unit?.startAfterStop === true || unit?.startWaits === true;
  }

  restart(name: string): void {
    const present = this.#startable(name);
    this.#record("restart-queued", name);
    switch (present.active) {
      case "inactive":
      case "failed":
        this.#begin(present);
        break;
      case "deactivating":
        this.#startAfterStop(present);
        break;
      default:
        present.startAfterStop = true;
        this.#beginStop(present);
    }
  }

  /** Tells the waiter of the next invocation of the unit; returns how to stop waiting for it. */
  awaitInvocation(name: string, waiter: (outcome: RestartOutcome) => void): () => void {
    return this.#restartWaiters.add(name, waiter);
  }

  /** Tells the waiter when the stop job has ended; returns how to stop waiting for that. */
  stop(name: string, waiter: (outcome: StopOutcome) => void): () => void {
    const unit = this.#units.get(name);
    if (unit === undefined || unit.active === "failed") {
      if (unit?.startWaits === true) this.#cancelWaitingStart(unit);
      waiter("ended");
      return () => {};
    }
    this.#record("stop-queued", name);
    unit.startAfterStop = false;
    this.#restartWaiters.tell(name, "cancelled");
    const stopWaiting = this.#stopWaiters.add(name, waiter);
    this.#beginStop(unit);
    return stopWaiting;
  }

  /** See UnitManager.fence. */
  fence(name: string, fence: Fence | undefined): readonly string[] {
    const former = this.#fences.get(name);
    former?.cancel();
    const told = [...(former?.fired ?? [])].filter((unit) => fence?.noted.includes(unit) !== true);
    const fired = new Set(told);
    if (fence === undefined) this.#fences.delete(name);
    else {
      const cancel = this.#clock.after(Math.max(0, fence.atMs - this.#clock.monotonic()), () => {
        this.#record("fenced", "");
        for (const unit of fence.running) fired.add(unit);
        for (const unit of fence.stop) this.stop(unit, () => {});
      });
      this.#fences.set(name, { cancel, fired });
    }
    return told.sort();
  }

  enable(name: string): void {
    const text = this.#files.get(name);
    if (text === undefined) throw refused("NoSuchUnit", `Unit file ${name} does not exist.`);
    if (this.#behaviour(name, text).refusesEnable) {
      throw new FleetError("systemd_refused", "org.freedesktop.DBus.Error.InvalidArgs: Invalid argument");
    }
    this.#enabled.add(name);
    this.#record("enabled", name);
  }

  disable(name: string): void {
    if (this.#enabled.delete(name)) this.#record("disabled", name);
  }

  forget(name: string): void {
    this.#record("forgotten", name);
    this.resetFailed(name);
  }

  resetFailed(name: string): void {
    this.#starts.delete(name);
    const unit = this.#units.get(name);
    if (unit?.active !== "failed") return;
    this.#units.delete(name);
    this.#tell(name);
  }

  #behaviour(name: string, text: string): FakeUnitBehaviour {
    return { ...behaviourOf(name, text), ...this.#overrides.get(name) };
  }

  /** The unit, in memory from now on. Throws when systemd would refuse to start it. */
  #startable(name: string): LoadedUnit {
    const present = this.#units.get(name);
    if (present !== undefined && present.active !== "failed") return present;
    const text = present?.text ?? this.#files.get(name);
    if (text === undefined) throw refused("NoSuchUnit", `Unit ${name} not found.`);
    if (this.#behaviour(name, text).load !== "loaded") {
      throw refused("BadUnitSetting", `Unit ${name} has a bad unit file setting.`);
    }
    return present ?? this.#load(name, text);
  }

  #startAfterStop(unit: LoadedUnit): void {
    unit.startAfterStop = true;
    this.#stopWaiters.tell(unit.name, "overtaken");
  }

  /** Nothing to do for a unit that is deactivating already. */
  #beginStop(unit: LoadedUnit): void {
    if (unit.active === "activating" || unit.active === "inactive") {
      this.#cancelStep(unit);
      this.#end(unit, "start-cancelled");
    } else if (unit.active === "active") {
      this.#cancelStep(unit);
      this.#become(unit, "deactivating", "stop");
      const { stopMs } = this.#behaviour(unit.name, unit.text);
      this.#step(unit, stopMs, () => this.#end(unit, "stopped"));
    }
  }

  /** Of a unit that has failed, and stays so: the stop takes the start job's place. */
  #cancelWaitingStart(unit: LoadedUnit): void {
    this.#record("stop-queued", unit.name);
    unit.startWaits = false;
    this.#restartWaiters.tell(unit.name, "cancelled");
    this.#record("start-cancelled", unit.name);
    this.#tell(unit.name);
  }

  #load(name: string, text: string): LoadedUnit {
    const unit: LoadedUnit = {
      name,
      text,
      invocation: "",
      active: "inactive",
      sub: "dead",
      cancelStep: undefined,
      startAfterStop: false,
      startWaits: false,
    };
    this.#units.set(name, unit);
    return unit;
  }

  #begin(unit: LoadedUnit): void {
    const { after, startPreMs, startLimit } = this.#behaviour(unit.name, unit.text);
    unit.startWaits = after.some((name) => this.#units.get(name)?.active === "activating");
    if (unit.startWaits) return;
    const starts = (this.#starts.get(unit.name) ?? 0) + 1;
    if (starts > startLimit) {
      this.#fail(unit);
      return;
    }
    this.#starts.set(unit.name, starts);
    this.#invocations += 1;
    unit.invocation = `${this.#invocations}`;
    this.#restartWaiters.tell(unit.name, "begun");
    this.#become(unit, "activating", "start-pre");
    this.#step(unit, startPreMs, () => this.#runMain(unit));
  }

  #runMain(unit: LoadedUnit): void {
    const { oneshot, runMs, activeSub } = this.#behaviour(unit.name, unit.text);
    this.#record("started", unit.name);
    if (oneshot) this.#become(unit, "activating", "start");
    else this.#become(unit, "active", activeSub);
    if (runMs !== Number.POSITIVE_INFINITY) this.#step(unit, runMs, () => this.#mainEnded(unit));
  }

  #mainEnded(unit: LoadedUnit): void {
    const { fails, remainAfterExit } = this.#behaviour(unit.name, unit.text);
    if (fails) {
      this.#fail(unit);
    } else if (remainAfterExit) {
      this.#record("finished", unit.name);
      this.#become(unit, "active", "exited");
    } else {
      this.#end(unit, "finished");
    }
  }

  /** The unit is inactive: told to whoever waits for its stop, and forgotten unless it is to start again. */
  #end(unit: LoadedUnit, kind: FakeSystemdEventKind): void {
    this.#record(kind, unit.name);
    this.#units.delete(unit.name);
    this.#stopWaiters.tell(unit.name, "ended");
    this.#become(unit, "inactive", "dead");
    const text = this.#files.get(unit.name);
    if (unit.startAfterStop && text !== undefined) this.#begin(this.#load(unit.name, text));
    else this.#restartWaiters.tell(unit.name, "cancelled");
  }

  #fail(unit: LoadedUnit): void {
    this.#record("failed", unit.name);
    this.#stopWaiters.tell(unit.name, "ended");
    this.#become(unit, "failed", "failed");
  }

  #step(unit: LoadedUnit, durationMs: number, then: () => void): void {
    this.#cancelStep(unit);
    if (durationMs <= 0) {
      then();
      return;
    }
    unit.cancelStep = this.#clock.after(durationMs, () => {
      unit.cancelStep = undefined;
      then();
    });
  }

  #cancelStep(unit: LoadedUnit): void {
    unit.cancelStep?.();
    unit.cancelStep = undefined;
  }

  #become(unit: LoadedUnit, active: string, sub: string): void {
    unit.active = active;
    unit.sub = sub;
    this.#tell(unit.name);
  }

  #tell(name: string): void {
    for (const { changed } of [...this.#watchers]) changed(name);
    for (const unit of [...this.#units.values()]) if (unit.startWaits) this.#begin(unit);
  }

  #record(kind: FakeSystemdEventKind, unit: string): void {
    this.#history.add(kind, unit, this.invocation(unit));
  }
}

function refused(error: string, message: string): FleetError {
  return new FleetError("systemd_refused", `org.freedesktop.systemd1.${error}: ${message}`);
}
