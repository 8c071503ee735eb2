import type { ClusterModel } from "./cluster-model.ts";
import { type Dirty, everywhere } from "./dirty.ts";
import type { Draft } from "./draft.ts";
import { obstacle } from "./obstacle.ts";
import { sorted } from "./order.ts";
import { type Machine, orderOf } from "./records.ts";

/** Assigns global units to every able machine, machine by machine, the units changed first going first. */
export function placeGlobals(draft: Draft, dirty: Dirty): void {
  const { model } = draft;
  if (model.globals.size === 0) return;
  const tasks = globalTasks(model, dirty);
  for (const machineId of sorted(tasks.keys())) {
    const machine = model.machine(machineId);
    if (machine === undefined || !model.isOpen(machineId)) continue;
    for (const unit of model.bySeniority(tasks.get(machineId) ?? [])) placeGlobal(draft, unit, machine);
  }
}

function globalTasks(model: ClusterModel, dirty: Dirty): ReadonlyMap<string, ReadonlySet<string>> {
  const wide = new Set<string>();
  for (const unit of dirty.units.keys()) if (model.globals.has(unit)) wide.add(unit);
  for (const [unit, machines] of dirty.retries) {
    if (machines === everywhere && model.globals.has(unit)) wide.add(unit);
  }
  const tasks = new Map<string, ReadonlySet<string>>();
  if (wide.size > 0) for (const { id } of model.loads.ascending()) tasks.set(id, wide);
  for (const [unit, machines] of dirty.retries) {
    if (machines === everywhere || !model.globals.has(unit)) continue;
    for (const machineId of machines) {
      tasks.set(machineId, new Set([...(tasks.get(machineId) ?? []), unit]));
    }
  }
  for (const machineId of dirty.machines) tasks.set(machineId, model.globals);
  return tasks;
}

function placeGlobal(draft: Draft, name: string, machine: Machine): void {
  const { model } = draft;
  const unit = model.readableUnit(name);
  if (unit === undefined || unit.target === "inactive" || model.isAssigned(machine.id, name)) return;
  // Still stopping there. A machine that has not been told to stop anything yet may simply keep it.
  if (model.isHeld(machine.id, name) && (draft.isLeaving(machine.id, name) || !model.mayKeep(machine, name)))
    return;
  if (obstacle(model, unit, machine) !== undefined) return;
  draft.assign(
    unit,
    {
      machineId: machine.id,
      unit: name,
      ...orderOf(unit, unit.target),
      awaits: [],
      ...model.restartOrder(machine.id, name),
    },
    { kind: "global" },
  );
}
