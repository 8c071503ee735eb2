import {
  type AgentTask,
  type FenceTask,
  hasInstallSection,
  isRestartDue,
  type JournalEntry,
  parseUnitFile,
  type RestartOutcome,
  requirementsOf,
  serializeUnitFile,
  type UnitOption,
} from "@fleet/core";
import { FleetError, type Logger } from "@fleet/runtime";
import type { UnitDirectory, UnitManager } from "@fleet/systemd";
import { type ExclusiveFence, hasEnded } from "./exclusive-fence.ts";
import type { AgentRegistry, Registration } from "./ports.ts";
import type { Publisher } from "./publisher.ts";
import type { UnitJournal } from "./unit-journal.ts";

type TaskOf<Kind extends AgentTask["kind"]> = Extract<AgentTask, { kind: Kind }>;

/** `assignedAt`: revision at which the assignment behind the task was written. */
export type LoadTask = TaskOf<"load"> & {
  readonly assignedAt: number;
  /** Fires when the unit is to be stopped instead. */
  readonly signal: AbortSignal;
};
export type StartTask = TaskOf<"start"> & { readonly assignedAt: number };
export type RestartTask = TaskOf<"restart"> & { readonly assignedAt: number };
export type StopTask = TaskOf<"stop">;
export type UnloadTask = TaskOf<"unload">;

/** What became of a task. `stale`: the assignment has changed meanwhile, look again. */
export type TaskOutcome =
  | { readonly status: "done" }
  | { readonly status: "stale" }
  | { readonly status: "failed"; readonly error: unknown };

/** What came of asking systemd to start a unit. */
interface Started {
  /** The restart that this was as well. */
  readonly restart?: RestartOutcome;
  /** Why systemd would not, if so. */
  readonly refused?: string;
  /** It was not asked: the unit has not failed here, or no longer. */
  readonly needless?: true;
}

/** A unit's row under way. */
interface Admission {
  /** What it was asked for under; it may be admitted under a later one. */
  readonly registration: Registration | undefined;
  readonly outcome: Promise<"admitted" | "stale">;
}

const done: TaskOutcome = { status: "done" };
const stale: TaskOutcome = { status: "stale" };

export interface UnitExecutorOptions {
  readonly registry: Pick<AgentRegistry, "body">;
  readonly manager: UnitManager;
  readonly directory: UnitDirectory;
  readonly journal: UnitJournal;
  readonly publisher: Publisher;
  readonly fence: ExclusiveFence;
  readonly logger: Logger;
}

/**
 * Carries out tasks on the local systemd. The caller sees to it that a unit has one task at a time.
 *
 * Invariants:
 * - the journal says what is about to become of a file before the file is touched, and that an intent was
 *   carried out only after systemd took it: a crash in between repeats a step, it never skips one;
 * - a restart is not repeated either: the journal names the invocation to be replaced before systemd is asked, and that a
 *   restart was carried out only once systemd has begun another one;
 * - systemd is asked to start a unit only after its state row is in the registry (see Publisher), which is on its way there
 *   while the unit's file is written;
 * - a unit file is removed only after the unit's stop job has ended, ExecStop included.
 */
export class UnitExecutor {
  readonly #options: UnitExecutorOptions;

  constructor(options: UnitExecutorOptions) {
    this.#options = options;
  }

  /**
   * Loads units that arrived together: all files are written before any unit is started, so that systemd's own
   * After= and BindsTo= between them hold. One unit's failure does not keep the others.
   */
  async load(tasks: readonly LoadTask[]): Promise<ReadonlyMap<string, TaskOutcome>> {
    const { manager, journal } = this.#options;
    const outcomes = new Map<string, TaskOutcome>();
    const files = new Map<string, readonly UnitOption[]>();
    const admissions = new Map<string, Admission>();
    const attempt = async (unit: string, step: () => Promise<void>): Promise<void> => {
      if (outcomes.has(unit)) return;
      try {
        await step();
      } catch (error) {
        outcomes.set(unit, { status: "failed", error });
      }
    };
    const all = (step: (task: LoadTask) => Promise<void>): Promise<unknown> =>
      Promise.all(tasks.map((task) => attempt(task.unit, () => step(task))));

    await all(async (task) => {
      const file = await this.#body(task);
      files.set(task.unit, file);
      await this.#write(task, file, () => {
        // One that is only to be loaded counts as loaded once it has a row.
        if (task.assignment.target === "launched") admissions.set(task.unit, this.#admit(task));
      });
    });
    // One call for the whole batch: if it fails, it fails for each unit of it.
    const prepared = manager.prepare([...files.keys()].filter((unit) => !outcomes.has(unit)).sort());
    await all(() => prepared);
    await all((task) => this.#enable(task.unit, files.get(task.unit) ?? []));
    await all(async (task) => {
      const entry = journal.entries.get(task.unit);
      // What is to be restarted as well is started with that, as a task of its own: it may have to wait for others.
      const waits = entry !== undefined && isRestartDue(task.assignment, entry);
      outcomes.set(
        task.unit,
        waits
          ? done
          : await this.#carryOut(
              task,
              admissions.get(task.unit) ?? this.#admit(task),
              task.signal,
              (entry, admitted) => this.#start(entry, admitted),
            ),
      );
    });
    return outcomes;
  }

  /**
   * Carries out the assignment's intent on a unit that is loaded and not launched, or to be started anew, and a restart
   * that is due. The signal ends the waiting for a restart, and nothing is started once it has fired.
   */
  carryOut(task: StartTask | RestartTask, signal: AbortSignal): Promise<TaskOutcome> {
    return this.#carryOut(task, this.#admit(task), signal, async (entry, admitted) => {
      if (isRestartDue(task.assignment, entry)) return await this.#restart(entry, task, admitted, signal);
      if (task.reason === "retry" && !(await this.#hasFailed(entry.unit))) return { needless: true };
      return await this.#start(entry, admitted);
    });
  }

  /** Asked of systemd itself: the row that showed the failure may be of before the last try. */
  async #hasFailed(unit: string): Promise<boolean> {
    return (await this.#options.manager.status([unit])).get(unit)?.active === "failed";
  }

  #admit({ unit, assignedAt }: LoadTask | StartTask | RestartTask): Admission {
    const { publisher, fence } = this.#options;
    const { registration } = fence;
    const outcome = publisher.admit(unit, assignedAt);
    // Nobody waits for it when the unit cannot be loaded.
    outcome.catch(() => {});
    return { registration, outcome };
  }

  async #carryOut(
    task: LoadTask | StartTask | RestartTask,
    admission: Admission,
    signal: AbortSignal,
    start: (entry: JournalEntry, admitted: Registration | undefined) => Promise<Started>,
  ): Promise<TaskOutcome> {
    const { journal, publisher, logger } = this.#options;
    const { unit, assignment, reason } = task;
    if ((await admission.outcome) === "stale") return stale;
    const entry = journal.entries.get(unit);
    if (entry === undefined) return stale;
    const launched = assignment.target === "launched";
    // The row may have been there long before systemd was ready for the start, and the order has changed since.
    if (launched && signal.aborted) return done;
    const { restart, refused, needless } = launched ? await start(entry, admission.registration) : {};
    const { restarting, refusal, fenced, ...carriedOut } = entry;
    await journal.put({
      ...carriedOut,
      generation: assignment.generation,
      launched,
      ...(refused === undefined ? {} : { refusal: refused }),
      ...(restart === undefined ? {} : { restart }),
    });
    publisher.touch(unit);
    if (needless) return done;
    const event = restart === undefined ? "unit_started" : "unit_restarted";
    if (!launched) logger.info("unit_loaded", { unit, reason, hash: entry.hash });
    else if (refused === undefined) logger.info(event, { unit, reason, hash: entry.hash });
    else if (entry.problem === undefined)
      logger.warn("unit_start_refused", { unit, reason, message: refused });
    return done;
  }

  async #start(entry: JournalEntry, admitted: Registration | undefined): Promise<Started> {
    const start = (): Promise<void> => this.#options.manager.start(entry.unit);
    const refused = entry.problem ?? (await this.#unlessRefused(() => this.#fenced(entry, admitted, start)));
    return refused === undefined ? {} : { refused };
  }

  async #restart(
    entry: JournalEntry,
    task: StartTask | RestartTask,
    admitted: Registration | undefined,
    signal: AbortSignal,
  ): Promise<Started> {
    const { journal, manager } = this.#options;
    const { unit } = entry;
    const number = task.assignment.restart ?? 0;
    const ask = async (): Promise<void> => {
      const resumed = entry.restarting?.number === number ? entry.restarting.invocation : undefined;
      const invocation = resumed ?? (await manager.invocation(unit));
      if (resumed === undefined) await journal.put({ ...entry, restarting: { number, invocation } });
      await this.#fenced(entry, admitted, () => manager.restart(unit, invocation, signal));
    };
    const refused = entry.problem ?? (await this.#unlessRefused(ask));
    return refused === undefined ? { restart: { number } } : { refused, restart: { number, refused } };
  }

  async #fenced(
    { unit, exclusive }: JournalEntry,
    admitted: Registration | undefined,
    start: () => Promise<void>,
  ): Promise<void> {
    await (exclusive ? this.#options.fence.start(unit, admitted, start) : start());
  }

  /**
   * Refused counts as carried out: systemd will not take this file tomorrow either, and its state says so. Resolves with
   * systemd's reason, undefined when it was taken.
   */
  async #unlessRefused(ask: () => Promise<void>): Promise<string | undefined> {
    try {
      await ask();
      return undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return error.message;
    }
  }

  async stop(task: StopTask, signal: AbortSignal): Promise<TaskOutcome> {
    const { journal, manager, publisher, logger } = this.#options;
    const { unit, assignment, reason } = task;
    const present = journal.entries.get(unit);
    if (present === undefined) return stale;
    const { refusal, fenced, ...entry } = present;
    await journal.put({ ...entry, launched: false });
    publisher.touch(unit);
    await manager.stop(unit, signal);
    await journal.put({ ...entry, launched: false, generation: assignment.generation });
    publisher.touch(unit);
    logger.info("unit_stopped", { unit, reason });
    return done;
  }

  /**
   * Stops an exclusive unit for want of a lease, or takes note that systemd's timer has. Either way its intent counts as
   * not carried out, so that it starts again here should it still be assigned here when the lease is back. One that had
   * ended by itself stays as it is.
   */
  async fence(task: FenceTask, signal: AbortSignal): Promise<TaskOutcome> {
    const { journal, manager, publisher, logger, fence } = this.#options;
    const { unit, reason } = task;
    const entry = journal.entries.get(unit);
    if (entry === undefined) return stale;
    // A restart under way has lost the invocation that it began: the start to come carries it out.
    const { restarting, ...kept } = entry;
    const undone: JournalEntry = {
      ...kept,
      launched: false,
      generation: 0,
      // A registry that is seeded anew has to be told what was wanted of it.
      ...(entry.launched ? { fenced: true } : {}),
    };
    if (reason === "fired") {
      if (entry.launched) await journal.put(undone);
      fence.lookedAfter(unit);
      return done;
    }
    const ended = hasEnded((await manager.status([unit])).get(unit));
    if (!ended) {
      await journal.put(undone);
      publisher.touch(unit);
      await manager.stop(unit, signal);
      publisher.touch(unit);
      logger.warn("unit_fenced", { unit, reason });
    }
    fence.hasStopped(unit, ended ? "nobody" : "fleetd");
    return done;
  }

  async unload(task: UnloadTask, signal: AbortSignal): Promise<TaskOutcome> {
    const { journal, manager, directory, publisher, logger } = this.#options;
    const { unit, reason } = task;
    const entry = journal.entries.get(unit);
    if (entry === undefined) return stale;
    await journal.put({ ...entry, launched: false, phase: "unloading" });
    publisher.touch(unit);
    await manager.stop(unit, signal);
    if (await this.#isEnabled(unit)) await manager.disable(unit);
    await directory.remove(unit);
    await manager.forget(unit);
    await journal.remove(unit);
    publisher.touch(unit);
    logger.info("unit_unloaded", { unit, reason, hash: entry.hash });
    return done;
  }

  async #body(task: LoadTask): Promise<readonly UnitOption[]> {
    const { hash, unit } = task.assignment;
    const options = await this.#options.registry.body(hash);
    if (options !== undefined) return options;
    throw new FleetError("unit_file_missing", `the registry has no unit file ${hash} for ${unit}`, {
      retryable: true,
    });
  }

  /** `noted`: the journal has the unit, and its file may not be there yet. */
  async #write(task: LoadTask, options: readonly UnitOption[], noted: () => void): Promise<void> {
    const { journal, directory } = this.#options;
    const { unit, hash } = task.assignment;
    const text = serializeUnitFile(options);
    const present = await directory.read(unit);
    if (present !== undefined && present !== text && !journal.entries.has(unit)) {
      throw new FleetError(
        "foreign_unit_file",
        `there is a ${unit} that fleet did not write: it is left alone`,
      );
    }
    const { restart, restarting } = journal.entries.get(unit) ?? {};
    await journal.put({
      unit,
      hash,
      generation: 0,
      launched: false,
      phase: "loading",
      ...(requirementsOf(unit, options).exclusive === undefined ? {} : { exclusive: true }),
      // Of a load that was interrupted: what has been restarted stays restarted.
      ...(restart === undefined ? {} : { restart }),
      ...(restarting === undefined ? {} : { restarting }),
    });
    noted();
    // Writing what is there already would make systemd ask for a reload.
    if (present !== text) await directory.write(unit, text);
  }

  async #enable(unit: string, options: readonly UnitOption[]): Promise<void> {
    const { journal, manager, logger } = this.#options;
    const entry = journal.entries.get(unit);
    if (entry === undefined) return;
    const loaded: JournalEntry = { ...entry, phase: "loaded" };
    if (!hasInstallSection(options)) {
      await journal.put(loaded);
      return;
    }
    try {
      await manager.enable(unit);
      await journal.put(loaded);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      logger.error("unit_enable_refused", { unit, message: error.message });
      await journal.put({ ...loaded, problem: error.message });
    }
  }

  async #isEnabled(unit: string): Promise<boolean> {
    const text = await this.#options.directory.read(unit);
    const file = text === undefined ? undefined : parseUnitFile(text);
    return file?.ok === true && hasInstallSection(file.value);
  }
}

function isRefusal(error: unknown): error is FleetError {
  return error instanceof FleetError && error.code === "systemd_refused";
}
