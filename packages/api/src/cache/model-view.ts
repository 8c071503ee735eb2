import type { ClusterModel } from "@fleet/core";
import { type ChangeBatch, Projection } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import type { Followed } from "./followed.ts";

/**
 * The cluster as the engine has it, as far as the registry tells: what a leader knows from watching, such as which
 * machines are unsteady, is not in it.
 *
 * Invariant: a machine without a record is away as long as something is assigned to it or a mass loss names it: the engine
 * withdraws what it gives up. Otherwise it is gone.
 */
export class ModelView implements Followed<void> {
  revision = 0;
  // What cannot be read is told by the engine.
  readonly #projection = new Projection(silentLogger);
  #massLoss: readonly string[] = [];

  get model(): ClusterModel {
    return this.#projection.model;
  }

  apply({ revision, changes }: ChangeBatch): void {
    const { machines, model } = this.#projection;
    const assigned = new Set<string>();
    for (const change of changes) {
      this.#projection.apply(change);
      if (change.kind === "assignment") assigned.add(change.machineId);
      // One that cannot be read is the engine's own word, which it writes again.
      if (change.kind === "mass-loss" && change.entry.status !== "corrupt") {
        this.#massLoss = change.entry.status === "present" ? change.entry.value.machines : [];
      }
    }
    const held = new Set(this.#massLoss);
    machines.hold(assigned, "awaited");
    machines.hold(
      machines.held("mass_loss").filter((machineId) => !held.has(machineId)),
      "awaited",
    );
    machines.hold(held, "mass_loss");
    machines.giveUp(machines.held("awaited").filter((machineId) => model.assignedOn(machineId).size === 0));
    model.forgetDirty();
    this.revision = revision;
  }
}
