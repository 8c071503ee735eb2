import type { AgentTask } from "@fleet/core";
import { type Counter, errorCode, errorMessage, FleetError, type Logger } from "@fleet/runtime";
import type { DesiredUnits } from "./desired-units.ts";
import type { Registration } from "./ports.ts";
import type { RetrySchedule } from "./retry-schedule.ts";
import type {
  LoadTask,
  RestartTask,
  StartTask,
  TaskOutcome,
  UnitExecutor,
  UnloadTask,
} from "./unit-executor.ts";

export interface DispatcherOptions {
  readonly executor: UnitExecutor;
  readonly retries: RetrySchedule;
  readonly tasks: Counter<"task" | "result">;
  readonly logger: Logger;
  /** Work on a unit has ended: there may be more to do for it. */
  readonly onIdle: () => void;
  /** The registry refused for good: the registration needs looking at. */
  readonly onRefused: (error: FleetError) => void;
}

/** What the tasks rest on. */
export interface DispatchContext {
  readonly desired: DesiredUnits | undefined;
  readonly registration: Registration | undefined;
  readonly signal: AbortSignal;
}

type Work = () => Promise<ReadonlyMap<string, TaskOutcome>>;

type TasksByKind = { readonly [Kind in AgentTask["kind"]]: Extract<AgentTask, { kind: Kind }>[] };

/**
 * Hands tasks to the executor and keeps count of what is under way.
 *
 * Invariants: a unit has at most one task at a time; a unit whose task failed is left alone until its back-off
 * has passed; nothing here waits for a task.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #busy = new Set<string>();
  readonly #work = new Set<Promise<void>>();
  /** Loads, starts and restarts under way, which may wait for long: ended when the unit is to be stopped instead. */
  readonly #starts = new Map<string, AbortController>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get busy(): ReadonlySet<string> {
    return this.#busy;
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  dispatch(tasks: readonly AgentTask[], context: DispatchContext): void {
    const { executor, retries } = this.#options;
    const due = byKind(tasks.filter((task) => !this.#busy.has(task.unit) && !retries.waits(task.unit)));
    const { desired, signal } = context;
    for (const task of tasks) if (isNotToRun(task)) this.#starts.get(task.unit)?.abort();

    const loads: LoadTask[] = [];
    for (const task of due.load) {
      const assignedAt = desired?.get(task.unit)?.assignedAt;
      if (assignedAt !== undefined)
        loads.push({ ...task, assignedAt, signal: this.#untilStopped(task.unit) });
    }
    this.#begin(loads, async () => {
      try {
        return await executor.load(loads);
      } finally {
        for (const { unit } of loads) this.#starts.delete(unit);
      }
    });
    for (const task of [...due.start, ...due.restart]) {
      const assignedAt = desired?.get(task.unit)?.assignedAt;
      if (assignedAt !== undefined) this.#beginStart({ ...task, assignedAt }, signal);
    }
    for (const task of due.fence) this.#beginOne(task, () => executor.fence(task, signal));
    for (const task of due.stop) this.#beginOne(task, () => executor.stop(task, signal));
    for (const task of due.unload) {
      if (task.reason !== "unassigned") this.#beginOne(task, () => executor.unload(task, signal));
    }
    this.#unloadConfirmed(
      due.unload.filter((task) => task.reason === "unassigned"),
      context,
    );
  }

  /**
   * A missing assignment is believed only when the registry, asked again and still the cluster we know, says so
   * too: a wiped or foreign store must stop nothing.
   */
  #unloadConfirmed(tasks: readonly UnloadTask[], context: DispatchContext): void {
    const { registration, signal } = context;
    if (registration === undefined || tasks.length === 0) return;
    const units = tasks.map((task) => task.unit);
    this.#begin(tasks, async () => {
      const absent = new Set(await registration.confirmAbsent(units));
      for (const task of tasks) {
        if (!absent.has(task.unit)) continue;
        this.#busy.delete(task.unit);
        this.#beginOne(task, () => this.#options.executor.unload(task, signal));
      }
      return new Map(units.filter((unit) => !absent.has(unit)).map((unit) => [unit, { status: "stale" }]));
    });
  }

  #beginStart(task: StartTask | RestartTask, signal: AbortSignal): void {
    const stopped = this.#untilStopped(task.unit);
    this.#beginOne(task, async () => {
      try {
        return await this.#options.executor.carryOut(task, AbortSignal.any([signal, stopped]));
      } finally {
        this.#starts.delete(task.unit);
      }
    });
  }

  /** Fires when the unit is to be stopped instead of what begins now. */
  #untilStopped(unit: string): AbortSignal {
    const stopped = new AbortController();
    this.#starts.set(unit, stopped);
    return stopped.signal;
  }

  #beginOne(task: AgentTask, work: () => Promise<TaskOutcome>): void {
    this.#begin([task], async () => new Map([[task.unit, await work()]]));
  }

  /** Starts work on some units; a unit missing in its answer is no longer this work's business. */
  #begin(tasks: readonly AgentTask[], work: Work): void {
    if (tasks.length === 0) return;
    for (const task of tasks) this.#busy.add(task.unit);
    const seen = this.#see(tasks, work).finally(() => this.#work.delete(seen));
    this.#work.add(seen);
  }

  async #see(tasks: readonly AgentTask[], work: Work): Promise<void> {
    let outcomes: ReadonlyMap<string, TaskOutcome>;
    try {
      outcomes = await work();
    } catch (error) {
      outcomes = new Map(tasks.map((task) => [task.unit, { status: "failed", error }]));
    }
    for (const task of tasks) {
      const outcome = outcomes.get(task.unit);
      if (outcome !== undefined) this.#end(task, outcome);
    }
    this.#options.onIdle();
  }

  #end(task: AgentTask, outcome: TaskOutcome): void {
    const { retries, tasks, logger, onRefused } = this.#options;
    this.#busy.delete(task.unit);
    tasks.add({ task: task.kind, result: resultOf(outcome) });
    if (outcome.status === "done") {
      retries.succeeded(task.unit);
      return;
    }
    // Stale: the watch is about to say what has changed; until then trying again would only turn round.
    const delayMs = retries.failed(task.unit);
    if (outcome.status === "stale") return;
    const { error } = outcome;
    if (errorCode(error) === "aborted") return;
    logger.warn("task_failed", {
      unit: task.unit,
      task: task.kind,
      reason: task.reason,
      code: errorCode(error),
      message: errorMessage(error),
      retry_in_ms: Math.round(delayMs),
    });
    if (error instanceof FleetError && error.code.startsWith("cluster_")) onRefused(error);
  }
}

function isNotToRun(task: AgentTask): boolean {
  if (task.kind === "load") return task.assignment.target !== "launched";
  return task.kind === "stop" || task.kind === "unload" || task.kind === "fence";
}

function resultOf(outcome: TaskOutcome): string {
  const aborted = outcome.status === "failed" && errorCode(outcome.error) === "aborted";
  return aborted ? "aborted" : outcome.status;
}

function byKind(tasks: readonly AgentTask[]): TasksByKind {
  const groups: TasksByKind = { load: [], start: [], restart: [], stop: [], unload: [], fence: [] };
  for (const task of tasks) {
    switch (task.kind) {
      case "load":
        groups.load.push(task);
        break;
      case "start":
        groups.start.push(task);
        break;
      case "restart":
        groups.restart.push(task);
        break;
      case "stop":
        groups.stop.push(task);
        break;
      case "fence":
        groups.fence.push(task);
        break;
      case "unload":
        groups.unload.push(task);
        break;
    }
  }
  return groups;
}
