import type { ClusterModel } from "./cluster-model.ts";
import { unreadable } from "./occupancy.ts";
import { sorted } from "./order.ts";
import type { Restart, RestartProgress, RestartStep } from "./restart.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** One thing to do about a request to restart units. */
export type RestartChange =
  | { readonly kind: "advance"; readonly restart: Restart; readonly progress: RestartProgress }
  /** It ended long ago, with many after it. */
  | { readonly kind: "forget"; readonly id: string };

/** Requests that have ended are kept to be looked at, as many as these. */
const keptRestarts = 50;

/**
 * Steps of one request, in the bytes they take in its record: with the names of the units, and a reason for each step
 * under way to fail, it stays below what etcd takes in one request. A record that etcd refused would end every term.
 */
const maxStepBytes = 700_000;
/** A step's fields and punctuation as JSON, without the unit's name. */
const stepOverheadBytes = 110;
/** Characters of a reason: systemd's have no bound, and a thousand steps may fail together. */
const longestReason = 200;

/**
 * How the requests are to go on. Pure and total; only what the model has heard counts. A request is decided by its record
 * alone, so a new leader goes on where the last one was.
 *
 *   judge    each step under way, by the state row of its machine
 *   fill     up to `parallel` steps, in the order of the units, unless one has failed; what a later request has restarted
 *            since is not ordered again
 *   end      when nothing is under way and nothing is left, or something has failed
 */
export function planRestarts(model: ClusterModel): readonly RestartChange[] {
  const changes: RestartChange[] = [];
  const running = model.restarts.running();
  const busy = new Map<string, string>();
  for (const { id, steps } of running) {
    for (const { unit, state } of steps) if (state === "restarting") busy.set(unit, id);
  }
  for (const restart of running) {
    const progress = advance(model, restart, busy);
    if (progress !== undefined) changes.push({ kind: "advance", restart, progress });
  }
  const ended = model.restarts.ended();
  for (const { id } of ended.slice(0, Math.max(0, ended.length - keptRestarts))) {
    changes.push({ kind: "forget", id });
  }
  return changes;
}

/** Undefined: nothing has changed. `busy`: unit → the request that is restarting it. */
function advance(
  model: ClusterModel,
  restart: Restart,
  busy: Map<string, string>,
): RestartProgress | undefined {
  const steps = restart.steps.map((step) =>
    step.state === "restarting" ? judge(model, restart.number, step) : step,
  );
  let changed = steps.some((step, index) => step !== restart.steps[index]);
  let failure = restart.message;
  let left = false;
  let underWay = steps.filter(({ state }) => state === "restarting").length;
  if (failure === undefined && !steps.some(({ state }) => state === "failed")) {
    let bytes = steps.reduce((sum, step) => sum + stepBytes(step), 0);
    for (const step of nextSteps(model, restart, steps)) {
      const taken = busy.get(step.unit);
      left = underWay >= restart.parallel || (taken !== undefined && taken !== restart.id);
      // Order counts: what comes after a unit that has to wait waits, too.
      if (left) break;
      bytes += stepBytes(step);
      if (bytes > maxStepBytes) {
        failure = "there are too many machines to restart on in one request: restart fewer units at once";
        changed = true;
        break;
      }
      steps.push(step);
      changed = true;
      if (step.state === "failed") break;
      if (step.state !== "restarting") continue;
      underWay += 1;
      busy.set(step.unit, restart.id);
    }
  }
  const message = failure === undefined ? {} : { message: failure };
  if (left || underWay > 0) {
    return changed ? { state: "running", steps, ...message } : undefined;
  }
  const failed = failure !== undefined || steps.some(({ state }) => state === "failed");
  return { state: failed ? "failed" : "done", steps, ...message };
}

function stepBytes({ unit }: RestartStep): number {
  // With the backslashes that are doubled in JSON.
  return JSON.stringify(unit).length + stepOverheadBytes;
}

/** The steps still missing, in order, as they would begin now. `steps` may grow while this is read. */
function* nextSteps(
  model: ClusterModel,
  { number, units }: Restart,
  steps: readonly RestartStep[],
): Generator<RestartStep> {
  const known = new Map<string, Set<string | undefined>>();
  for (const { unit, machineId } of steps) {
    known.set(unit, (known.get(unit) ?? new Set()).add(machineId));
  }
  for (const name of units) {
    const machines = known.get(name) ?? new Set();
    const unit = model.readableUnit(name);
    if (unit?.requirements.global === true && unit.target === "launched") {
      // A step without a machine is about all of them.
      if (machines.has(undefined)) continue;
      const missing = sorted(model.machinesOf(name)).filter((machineId) => !machines.has(machineId));
      for (const machineId of missing) yield turnOf(model, number, machineId, name);
      if (machines.size + missing.length === 0) yield notPlaced(name);
    } else if (machines.size === 0) yield firstStep(model, number, name, unit);
  }
}

function firstStep(
  model: ClusterModel,
  number: number,
  name: string,
  unit: ReadableUnit | undefined,
): RestartStep {
  // Nothing can be found out about it: neither that it may be restarted nor that it is gone.
  if (unit === undefined && model.unit(name) !== undefined) {
    return { unit: name, state: "skipped", message: "its record or its unit file cannot be read" };
  }
  const unwanted = whyUnwanted(unit);
  if (unwanted !== undefined) return { unit: name, state: "skipped", message: unwanted };
  const [machineId] = sorted(model.machinesOf(name));
  if (machineId !== undefined) return turnOf(model, number, machineId, name);
  // Still being stopped elsewhere: it starts anew in a moment.
  return model.holders(name).length > 0 ? { unit: name, state: "restarting" } : notPlaced(name);
}

function turnOf(model: ClusterModel, number: number, machineId: string, unit: string): RestartStep {
  const verdict = verdictOn(model, number, machineId, unit) ?? { state: "restarting" };
  return { unit, machineId, ...verdict };
}

function notPlaced(unit: string): RestartStep {
  return { unit, state: "skipped", message: "no machine runs it" };
}

function whyUnwanted(unit: ReadableUnit | undefined): string | undefined {
  if (unit === undefined) return "it was destroyed";
  return unit.target === "launched" ? undefined : `its target state was changed to ${unit.target}`;
}

/** The step as it is now; the same object when nothing has changed. */
function judge(model: ClusterModel, number: number, step: RestartStep): RestartStep {
  const { unit: name, machineId } = step;
  const unit = model.readableUnit(name);
  if (unit === undefined && model.unit(name) !== undefined) return step;
  const unwanted = whyUnwanted(unit);
  if (unwanted !== undefined) return { ...step, state: "skipped", message: unwanted };
  if (unit?.requirements.global === true) return judgeGlobal(model, number, step);
  const [home] = sorted(model.machinesOf(name));
  if (home !== undefined) {
    const verdict = verdictOn(model, number, home, name);
    if (verdict !== undefined) return { unit: name, machineId: home, ...verdict };
    return home === machineId ? step : { unit: name, machineId: home, state: "restarting" };
  }
  if (model.holders(name).length > 0 || step.message !== undefined) return step;
  if (machineId === undefined) return notPlaced(name);
  // It had to leave its machine. A cluster short of a machine for a moment is no failure of the unit's.
  return { unit: name, state: "restarting", message: "it waits for a machine that can run it" };
}

function judgeGlobal(model: ClusterModel, number: number, step: RestartStep): RestartStep {
  const { unit, machineId } = step;
  const here = machineId !== undefined && model.isAssigned(machineId, unit) ? [machineId] : [];
  const concerned = machineId === undefined ? sorted(model.machinesOf(unit)) : here;
  if (concerned.length === 0) {
    return { ...step, state: "skipped", message: "it was taken off the machine" };
  }
  let done = true;
  for (const each of concerned) {
    const verdict = verdictOn(model, number, each, unit);
    if (verdict?.state === "failed") return { ...step, machineId: each, ...verdict };
    done &&= verdict !== undefined;
  }
  return done ? { ...step, state: "done" } : step;
}

/** What became of the restart on a machine; undefined while that is open. */
function verdictOn(
  model: ClusterModel,
  number: number,
  machineId: string,
  unit: string,
): Pick<RestartStep, "state" | "message"> | undefined {
  const assignment = model.assignment(machineId, unit);
  if (assignment === undefined || assignment === unreadable) return undefined;
  // What is leaving stops its units, and what is lost runs none that count: it is decided where the unit comes up next.
  if (!model.isPresent(machineId) || model.machine(machineId)?.leaving === true) return undefined;
  const report = model.restarts.report(machineId, unit);
  if (report === undefined || report.outcome.number < number || !report.launched) return undefined;
  // The machine forgets with a file what it has restarted: the content to come is restarted once more.
  if (report.hash !== assignment.hash) return undefined;
  const { refused, number: reported } = report.outcome;
  if (refused !== undefined && reported === number) return { state: "failed", message: shortened(refused) };
  switch (report.active) {
    case "active":
    case "reloading":
    // Whatever began has ended well: a failure would show.
    case "inactive":
      return { state: "done" };
    case "failed":
      return { state: "failed", message: `systemd reports failed (${report.sub})` };
    case "activating":
      // `auto-restart`, and from systemd 254 on `auto-restart-queued` as well.
      if (!report.sub.startsWith("auto-restart")) return undefined;
      return { state: "failed", message: "it ended at once, and systemd tries to start it again" };
    default:
      return undefined;
  }
}

function shortened(reason: string): string {
  return reason.length > longestReason ? `${reason.slice(0, longestReason - 1)}…` : reason;
}
