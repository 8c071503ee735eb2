import { type Assignment, ClusterModel, type Machine, type Settled, type Step, type Unit } from "@fleet/core";
import type { World } from "./naive-scheduler.ts";

type Pair = `${string}/${string}`;

/** The records of a small registry, and a model that is told of each change as the engine would. */
export class SimulatedRegistry {
  readonly model = new ClusterModel();
  readonly machines = new Map<string, Machine | undefined>();
  readonly units = new Map<string, Unit | undefined>();
  readonly assignments = new Map<
    Pair,
    { machineId: string; unit: string; assignment: Assignment | undefined }
  >();
  readonly rows = new Map<Pair, { machineId: string; unit: string }>();
  readonly settled = new Map<string, Settled>();

  world(): World {
    return {
      machines: [...this.machines].map(([id, machine]) => ({ id, machine })),
      units: [...this.units].map(([name, unit]) => ({ name, unit })),
      assignments: [...this.assignments.values()],
      rows: [...this.rows.values()],
      settled: [...this.settled].map(([machineId, settled]) => ({ machineId, ...settled })),
    };
  }

  /** A model of the same records, filled in the opposite order, in which everything is dirty. */
  rebuilt(): ClusterModel {
    const model = new ClusterModel();
    for (const [machineId, settled] of [...this.settled].reverse()) model.setSettled(machineId, settled);
    for (const { machineId, unit } of [...this.rows.values()].reverse()) model.setState(machineId, unit);
    for (const [name, unit] of [...this.units].reverse()) {
      if (unit === undefined) model.setUnitUnreadable(name);
      else model.setUnit(unit);
    }
    for (const { machineId, unit, assignment } of [...this.assignments.values()].reverse()) {
      if (assignment === undefined) model.setAssignmentUnreadable(machineId, unit);
      else model.setAssignment(assignment);
    }
    for (const [id, machine] of [...this.machines].reverse()) {
      if (machine === undefined) model.setMachineUnreadable(id);
      else model.setMachine(machine);
    }
    return model;
  }

  setMachine(machine: Machine): void {
    this.machines.set(machine.id, machine);
    this.model.setMachine(machine);
  }

  corruptMachine(id: string): void {
    if (!this.machines.has(id)) return;
    this.machines.set(id, undefined);
    this.model.setMachineUnreadable(id);
  }

  /** The lease ends: the machine's record and its state rows go. */
  removeMachine(id: string): void {
    this.machines.delete(id);
    this.model.removeMachine(id);
    for (const { machineId, unit } of [...this.rows.values()]) {
      if (machineId === id) this.removeRow(id, unit);
    }
  }

  setUnit(unit: Unit): void {
    this.units.set(unit.name, unit);
    this.model.setUnit(unit);
  }

  corruptUnit(name: string): void {
    this.units.set(name, undefined);
    this.model.setUnitUnreadable(name);
  }

  removeUnit(name: string): void {
    this.units.delete(name);
    this.model.removeUnit(name);
  }

  setAssignment(assignment: Assignment): void {
    const { machineId, unit } = assignment;
    this.assignments.set(`${machineId}/${unit}`, { machineId, unit, assignment });
    this.model.setAssignment(assignment);
  }

  corruptAssignment(machineId: string, unit: string): void {
    this.assignments.set(`${machineId}/${unit}`, { machineId, unit, assignment: undefined });
    this.model.setAssignmentUnreadable(machineId, unit);
  }

  removeAssignment(machineId: string, unit: string): void {
    this.assignments.delete(`${machineId}/${unit}`);
    this.model.removeAssignment(machineId, unit);
  }

  isAssigned(machineId: string, unit: string): boolean {
    return this.assignments.has(`${machineId}/${unit}`);
  }

  setRow(machineId: string, unit: string): void {
    this.rows.set(`${machineId}/${unit}`, { machineId, unit });
    this.model.setState(machineId, unit);
  }

  removeRow(machineId: string, unit: string): void {
    this.rows.delete(`${machineId}/${unit}`);
    this.model.removeState(machineId, unit);
  }

  /** What committing a plan does. */
  carryOut(steps: readonly Step[]): void {
    for (const step of steps) {
      if (step.kind === "withdraw") this.removeAssignment(step.machineId, step.unit);
      else if (step.kind === "settle") {
        const { machineId, registration, spared } = step;
        this.settled.set(machineId, { registration, spared });
        this.model.setSettled(machineId, { registration, spared });
      } else this.setAssignment(step.assignment);
    }
  }

  /** What the agents of settled machines do in the end: rows for what is assigned, and for nothing else. */
  letAgentsFollow(): void {
    for (const { machineId, unit } of [...this.rows.values()]) {
      const spared = this.settled.get(machineId)?.spared?.includes(unit) === true;
      if (!this.isAssigned(machineId, unit) && !spared) this.removeRow(machineId, unit);
    }
    for (const { machineId, unit, assignment } of [...this.assignments.values()]) {
      if (!this.machines.has(machineId) || assignment === undefined) continue;
      if (assignment.awaits.some((awaited) => this.rows.has(`${machineId}/${awaited}`))) continue;
      this.setRow(machineId, unit);
    }
  }
}
