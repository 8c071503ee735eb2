import type { Restart, RestartReport, RestartStep } from "./restart.ts";

/**
 * Requests to restart units, and what the machines report of the units they have restarted.
 *
 * Invariant: a unit has a step under way in at most one request at a time, as long as all are advanced by
 * `planRestarts`, and none was made for a unit that was stopped in its turn without the engine having seen that yet.
 */
export class RestartIndex {
  readonly #byId = new Map<string, Restart>();
  readonly #running = new Map<string, Restart>();
  /** Unit → request → the machines that its steps under way name; undefined stands for a step that names none. */
  readonly #underWay = new Map<string, Map<string, Set<string | undefined>>>();
  /** Machine → unit → report; rows of units never restarted are not kept. */
  readonly #reports = new Map<string, Map<string, RestartReport>>();
  readonly #onChange: (unit: string, machineId: string | undefined) => void;

  /** `onChange`: what is ordered for the unit may have changed, on this machine or, without one, wherever it is. */
  constructor(onChange: (unit: string, machineId: string | undefined) => void) {
    this.#onChange = onChange;
  }

  /** The running requests, the earliest first. */
  running(): readonly Restart[] {
    return [...this.#running.values()].sort(byNumber);
  }

  /** The requests that have ended, the earliest first. */
  ended(): readonly Restart[] {
    return [...this.#byId.values()].filter(({ id }) => !this.#running.has(id)).sort(byNumber);
  }

  /**
   * Number of the restart that the unit is to undergo on the machine, if any. Of two the later, which carries the earlier
   * one out as well.
   */
  ordered(machineId: string, unit: string, global: boolean): number | undefined {
    let latest: number | undefined;
    for (const [id, machines] of this.#underWay.get(unit) ?? []) {
      const number = this.#running.get(id)?.number;
      // A unit that is not global takes its restart along to another machine.
      const concerned = !global || machines.has(undefined) || machines.has(machineId);
      if (concerned && number !== undefined && number > (latest ?? 0)) latest = number;
    }
    return latest;
  }

  report(machineId: string, unit: string): RestartReport | undefined {
    return this.#reports.get(machineId)?.get(unit);
  }

  set(restart: Restart): void {
    const former = this.#running.get(restart.id);
    this.#byId.set(restart.id, restart);
    if (restart.state === "running") this.#running.set(restart.id, restart);
    else this.#running.delete(restart.id);
    this.#reindex(restart.id, former, restart.state === "running" ? restart : undefined);
  }

  remove(id: string): void {
    const former = this.#running.get(id);
    this.#byId.delete(id);
    this.#running.delete(id);
    this.#reindex(id, former, undefined);
  }

  /** Undefined: there is no row, or it tells of no restart. */
  setReport(machineId: string, unit: string, report: RestartReport | undefined): void {
    const units = this.#reports.get(machineId);
    if (report === undefined) {
      units?.delete(unit);
      if (units?.size === 0) this.#reports.delete(machineId);
    } else if (units === undefined) this.#reports.set(machineId, new Map([[unit, report]]));
    else units.set(unit, report);
  }

  #reindex(id: string, former: Restart | undefined, present: Restart | undefined): void {
    for (const { unit, machineId } of stepsUnderWay(former)) {
      this.#underWay.get(unit)?.get(id)?.delete(machineId);
      this.#onChange(unit, machineId);
    }
    for (const { unit, machineId } of stepsUnderWay(present)) {
      const requests = this.#underWay.get(unit) ?? new Map<string, Set<string | undefined>>();
      this.#underWay.set(unit, requests);
      requests.set(id, (requests.get(id) ?? new Set()).add(machineId));
      this.#onChange(unit, machineId);
    }
    for (const { unit } of stepsUnderWay(former)) {
      const requests = this.#underWay.get(unit);
      if (requests?.get(id)?.size === 0) requests.delete(id);
      if (requests?.size === 0) this.#underWay.delete(unit);
    }
  }
}

function stepsUnderWay(restart: Restart | undefined): readonly RestartStep[] {
  return restart?.steps.filter(({ state }) => state === "restarting") ?? [];
}

function byNumber(left: Restart, right: Restart): number {
  return left.number - right.number;
}
