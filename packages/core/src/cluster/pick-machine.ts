import type { ClusterModel } from "./cluster-model.ts";
import { everywhere, type Hints } from "./dirty.ts";
import { LoadIndex } from "./load-index.ts";
import type { Values } from "./multimap.ts";
import { obstacle } from "./obstacle.ts";
import { compareText } from "./order.ts";
import type { Machine } from "./records.ts";
import { failureRank, rescheduleOf } from "./reschedule.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** Up to this share of the machines, going through the few candidates beats going through all by load. */
const fewOf = 16;

/**
 * The able machine with the fewest assigned units, ties to the lowest id; among `hints` if given. One that the unit has
 * failed on only when no other is able, then an unsteady one, and the one that it has just failed on as the last. `looks`:
 * how many machines it looked at.
 */
export function pickMachine(
  model: ClusterModel,
  unit: ReadableUnit,
  hints: Hints,
): { readonly machine: Machine | undefined; readonly looks: number } {
  const reschedule = rescheduleOf(model, unit);
  let picked: Machine | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  let looks = 0;
  findCandidate(model, unit, hints, (machine) => {
    looks += 1;
    const failed = failureRank(reschedule, machine.id);
    const rank = (machine.unsteady ? 2 : 0) + (failed === 2 ? 4 : failed);
    if (lowest <= rank || obstacle(model, unit, machine) !== undefined) return false;
    picked = machine;
    lowest = rank;
    return rank === 0;
  });
  return { machine: picked, looks };
}

/** Shows a superset of the able machines, by load, then id, until one is accepted. */
function findCandidate(
  model: ClusterModel,
  unit: ReadableUnit,
  hints: Hints,
  accepts: (machine: Machine) => boolean,
): void {
  const few = fewCandidates(model, unit, hints);
  if (few === undefined) {
    const acceptsOfHints =
      hints === everywhere ? accepts : (machine: Machine) => hints.has(machine.id) && accepts(machine);
    LoadIndex.find(loadsFor(model, unit), acceptsOfHints);
    return;
  }
  [...few]
    .filter((candidate) => model.isOpen(candidate) && (hints === everywhere || hints.has(candidate)))
    .sort((left, right) => model.load(left) - model.load(right) || compareText(left, right))
    .some((candidate) => {
      const machine = model.machine(candidate);
      return machine !== undefined && accepts(machine);
    });
}

/** So few machines that going through them beats going through all by load; undefined when there are none such. */
function fewCandidates(model: ClusterModel, unit: ReadableUnit, hints: Hints): Values | undefined {
  const { machineId, machineOf } = unit.requirements;
  // Most units ask for nothing of this.
  if (hints === everywhere && machineId === undefined && machineOf.length === 0) return undefined;
  let few: Values | undefined;
  let size = Math.max(8, model.loads.size / fewOf);
  const sets = [
    ...(hints === everywhere ? [] : [hints]),
    ...(machineId === undefined ? [] : [model.withIdLike(machineId)]),
    ...machineOf.map((peer) => model.machinesOf(peer)),
  ];
  for (const machines of sets) {
    if (machines.size > size) continue;
    few = machines;
    size = machines.size;
  }
  return few;
}

/** The machines with the metadata that is rarest among what the unit asks for; without any, all. */
function loadsFor(model: ClusterModel, unit: ReadableUnit): readonly LoadIndex[] {
  let rarest = [model.loads];
  let fewest = Number.POSITIVE_INFINITY;
  for (const [key, values] of unit.requirements.metadata) {
    const indexes = [...new Set(values)].map((value) => model.loadsWith(key, value));
    const size = indexes.reduce((sum, index) => sum + index.size, 0);
    if (size >= fewest) continue;
    rarest = indexes;
    fewest = size;
  }
  return rarest;
}
