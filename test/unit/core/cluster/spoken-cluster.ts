import {
  explain,
  plan,
  type Requirements,
  requirementsOf,
  type Step,
  type TargetState,
  type Unit,
} from "@fleet/core";
import { SimulatedRegistry } from "./simulated-registry.ts";

/** A cluster one can talk to in unit files, and whose plans read as lines. */
export class Cluster {
  readonly registry = new SimulatedRegistry();
  #revision = 0;

  machine(id: string, metadata: Record<string, string> = {}, leaving = false): this {
    this.#revision += 1;
    const registration = this.registry.machines.get(id)?.registration ?? this.#revision;
    const entries = new Map(Object.entries(metadata));
    this.registry.setMachine({ id, publicIp: "", metadata: entries, registration, leaving });
    return this;
  }

  /** `xFleet` holds `Name=Value` lines. */
  unit(name: string, xFleet: readonly string[] = [], target: TargetState = "launched"): this {
    this.#revision += 1;
    const options = xFleet.map((line) => {
      const [key = "", ...value] = line.split("=");
      return { section: "X-Fleet", name: key, value: value.join("=") };
    });
    this.registry.setUnit(this.#unitOf(name, target, requirementsOf(name, options)));
    return this;
  }

  target(name: string, target: TargetState): this {
    this.#revision += 1;
    const unit = this.registry.units.get(name);
    if (unit === undefined) throw new Error(`no unit ${name}`);
    this.registry.setUnit({ ...unit, target, generation: this.#revision, changedAt: this.#revision });
    return this;
  }

  /** One plan, carried out. */
  step(): readonly string[] {
    const { model } = this.registry;
    const { steps } = plan(model, model.takeDirty());
    this.registry.carryOut(steps);
    return steps.map(line);
  }

  /** Plans, and agents that follow, until nothing is left to do. */
  settle(): this {
    for (let round = 0; round < 20; round += 1) {
      if (this.step().length === 0 && round > 0) return this;
      this.registry.letAgentsFollow();
    }
    throw new Error("does not settle");
  }

  /** Agents catch up with what they were told. */
  agents(): this {
    this.registry.letAgentsFollow();
    return this;
  }

  where(): Record<string, string> {
    const places: Record<string, string> = {};
    for (const { machineId, unit } of [...this.registry.assignments.values()].sort((left, right) =>
      `${left.unit} ${left.machineId}` < `${right.unit} ${right.machineId}` ? -1 : 1,
    )) {
      const others = places[unit];
      places[unit] = others === undefined ? machineId : `${others},${machineId}`;
    }
    return places;
  }

  why(name: string): readonly unknown[] {
    return explain(this.registry.model, name);
  }

  #unitOf(name: string, target: TargetState, requirements: Requirements): Unit {
    const revision = this.#revision;
    return { name, hash: `hash${revision}`, target, generation: revision, changedAt: revision, requirements };
  }
}

function line(step: Step): string {
  switch (step.kind) {
    case "settle":
      return ["settle", step.machineId, ...(step.spared.length === 0 ? [] : ["sparing", step.spared])].join(
        " ",
      );
    case "withdraw":
      return `withdraw ${step.unit} from ${step.machineId}: ${step.reason.kind}`;
    case "update":
      return `update ${step.assignment.unit} on ${step.assignment.machineId}`;
    case "assign": {
      const { unit, machineId, awaits } = step.assignment;
      const after = awaits.length === 0 ? "" : ` after ${awaits.join(" ")}`;
      return `assign ${unit} to ${machineId}${after}`;
    }
  }
}
