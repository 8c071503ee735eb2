import type { ClusterModel } from "./cluster-model.ts";
import { everywhere } from "./dirty.ts";
import { obstacle } from "./obstacle.ts";
import { compareText } from "./order.ts";
import type { Machine } from "./records.ts";
import { failureRank, rescheduleOf } from "./reschedule.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** Up to this share of the machines, going through the few candidates beats going through all by load. */
const fewOf = 16;

/**
 * The able machine with the fewest assigned units, ties to the lowest id; among `hints` if given. One that the unit has
 * failed on only when no other is able, then an unsteady one, and the one that it has just failed on as the last.
 */
export function pickMachine(
  model: ClusterModel,
  unit: ReadableUnit,
  hints: ReadonlySet<string> | typeof everywhere,
): Machine | undefined {
  const reschedule = rescheduleOf(model, unit);
  let best: { readonly machine: Machine; readonly rank: number } | undefined;
  for (const machineId of candidates(model, unit, hints)) {
    const machine = model.machine(machineId);
    if (machine === undefined) continue;
    const failed = failureRank(reschedule, machineId);
    const rank = (machine.unsteady ? 2 : 0) + (failed === 2 ? 4 : failed);
    if ((best !== undefined && best.rank <= rank) || obstacle(model, unit, machine) !== undefined) continue;
    if (rank === 0) return machine;
    best = { machine, rank };
  }
  return best?.machine;
}

/** A superset of the able machines, by load, then id. */
function candidates(
  model: ClusterModel,
  unit: ReadableUnit,
  hints: ReadonlySet<string> | typeof everywhere,
): Iterable<string> {
  let few: Iterable<string> | undefined;
  let size = Math.max(8, model.loads.size / fewOf);
  const narrow = (machines: Iterable<string>, count: number): void => {
    if (count > size) return;
    few = machines;
    size = count;
  };
  const { machineId, machineOf, metadata } = unit.requirements;
  if (hints !== everywhere) narrow(hints, hints.size);
  if (machineId !== undefined) {
    const like = model.withIdLike(machineId);
    narrow(like, like.size);
  }
  for (const peer of machineOf) {
    const machines = model.machinesOf(peer);
    narrow(machines, machines.size);
  }
  for (const [key, values] of metadata) {
    const sets = values.map((value) => model.withMetadata(key, value));
    narrow(
      sets.length === 1 ? (sets[0] ?? []) : new Set(sets.flatMap((set) => [...set])),
      sets.reduce((sum, set) => sum + set.size, 0),
    );
  }
  if (few === undefined) {
    return hints === everywhere ? model.loads.ascending() : within(model.loads.ascending(), hints);
  }
  return [...few]
    .filter((candidate) => model.isOpen(candidate) && (hints === everywhere || hints.has(candidate)))
    .sort((left, right) => model.load(left) - model.load(right) || compareText(left, right));
}

function* within(machines: Iterable<string>, hints: ReadonlySet<string>): Generator<string> {
  for (const machineId of machines) if (hints.has(machineId)) yield machineId;
}
