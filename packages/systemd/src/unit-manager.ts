/**
 * The part of systemd that the agent drives. Two implementations pass one contract suite: `DbusUnitManager`
 * (a real systemd over D-Bus) and `FakeUnitManager` (scriptable, on a simulated clock).
 *
 * Every call has a deadline and rejects with FleetError: `systemd_unavailable` (no connection; retryable),
 * `systemd_timeout` (retryable, may have been carried out), `systemd_refused` (systemd's own error, its D-Bus
 * name in the message).
 */
export interface UnitManager {
  /**
   * Makes systemd see unit files that were just written: links them where the directory is outside its search
   * path, and reloads once for the whole batch when one of them is a changed file of a unit still loaded. Without
   * names there is nothing to do, connected or not.
   */
  prepare(names: readonly string[]): Promise<void>;
  /**
   * Queues a start job (mode replace). Resolves as soon as systemd has queued it, not when it is done. A failure of the
   * unit is forgotten first, and with it how often it was started: its StartLimitBurst= is for what starts by itself.
   */
  start(name: string): Promise<void>;
  /** systemd's InvocationID of the unit; empty when it has not run since it was loaded. */
  invocation(name: string): Promise<string>;
  /**
   * Has the invocation given (empty: none) replaced by a new one, once: when systemd shows another one already, nothing is
   * done, and a start or restart that is queued already is waited for. Resolves as soon as systemd has begun another
   * invocation, however long its start may take from there, or has carried out the job without one (a condition in
   * the unit file does not hold).
   *
   * Rejects with `systemd_refused` when systemd would not, or when the job ended otherwise: a `stop` meanwhile, a
   * dependency that failed. When the signal fires it rejects with AbortedError and the restart goes on.
   */
  restart(name: string, invocation: string, signal: AbortSignal): Promise<void>;
  /**
   * Stops the unit and resolves when the stop job has ended, ExecStop included, however long that takes (the
   * unit's own TimeoutStopSec bounds it). A unit that is not loaded, or already inactive, resolves at once. When
   * the signal fires it rejects with AbortedError and the stop goes on; when a `start` of the unit is asked for
   * meanwhile it rejects with `systemd_refused`, because that start replaces the stop job.
   */
  stop(name: string, signal: AbortSignal): Promise<void>;
  /** Enables the unit as its [Install] section says, at run time only (`/run`). */
  enable(name: string): Promise<void>;
  disable(name: string): Promise<void>;
  /** After the unit file is gone: unlinks it and clears a failed state, so that systemd forgets the unit. */
  forget(name: string): Promise<void>;
  /**
   * Has systemd stop units at a certain moment, whether or not anybody is connected to it by then. A fence takes the place
   * of the earlier ones of its name as soon as it is set; undefined only takes those away, with all trace of them. Resolves
   * with the units that were running when earlier fences of the name stopped them, sorted; again each time until `noted`.
   */
  fence(name: string, fence: Fence | undefined): Promise<readonly string[]>;
  /** States of the named units; a name that systemd does not know has load `not-found`. */
  status(names: readonly string[]): Promise<ReadonlyMap<string, UnitStatus>>;
  /**
   * Calls `onChange` with the name of a unit that may have changed (state or load state). Level-triggered: ask
   * `status` for what it is now. Calls `onReset` when any unit may have changed: look at all.
   */
  subscribe(listener: UnitListener): () => void;
  /**
   * Connects and reconnects until the signal fires; resolves then. `onReset` comes after every connect, the first
   * one included, and after a daemon-reload.
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface Fence {
  /** Different from that of earlier fences of the same process. */
  readonly number: number;
  /** Monotonic milliseconds of the clock; at once if that has passed. */
  readonly atMs: number;
  /** Units to stop, in the ordinary way. */
  readonly stop: readonly string[];
  /** Those of them that are not inactive now. */
  readonly running: readonly string[];
  /** Units of which it has been noted, where it outlives this process, that an earlier fence has stopped them. */
  readonly noted: readonly string[];
}

export interface UnitStatus {
  /** LoadState: `loaded`, `not-found`, `bad-setting`, `error`, `masked`, … */
  readonly load: string;
  /** ActiveState: `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`. */
  readonly active: string;
  /** SubState, e.g. `running`, `start-pre`, `dead`. */
  readonly sub: string;
  /** A job that starts it has not ended: also one that is inactive may begin at any moment, without anybody's doing. */
  readonly starting?: true;
}

export interface UnitListener {
  readonly onChange: (name: string) => void;
  readonly onReset: (cause: ResetCause) => void;
}

/**
 * Why any unit may have changed. `connected`: changes may have been missed meanwhile. `reloaded`: a daemon-reload,
 * which may be one that `prepare` or `start` asked for itself.
 */
export type ResetCause = "connected" | "reloaded";

/**
 * The directory with the unit files that fleet wrote. Writes are atomic (a reader sees the old file or the new
 * one); names are validated unit names. Rejects with FleetError `unit_directory_failed`, the errno in the message.
 */
export interface UnitDirectory {
  write(name: string, text: string): Promise<void>;
  /** Undefined when there is no such file. */
  read(name: string): Promise<string | undefined>;
  /** Removing what is not there is no error. */
  remove(name: string): Promise<void>;
}
