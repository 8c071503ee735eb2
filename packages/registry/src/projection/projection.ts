import { ClusterModel, orderAlone, unreadable } from "@fleet/core";
import { assertNever, type Logger } from "@fleet/runtime";
import type { Change } from "../changes.ts";
import type { EngineWrite } from "../commit.ts";
import { BodyReferences } from "./body-references.ts";
import { MachineProjection } from "./machine-projection.ts";
import { RestartProjection } from "./restart-projection.ts";
import { UnitProjection } from "./unit-projection.ts";

/** Keeps a cluster model in step with the registry. Records that cannot be read are logged and never taken for absent. */
export class Projection {
  readonly model = new ClusterModel();
  readonly bodies = new BodyReferences(this.model);
  readonly #units = new UnitProjection(this.model);
  readonly machines = new MachineProjection(this.model);
  readonly #restarts = new RestartProjection(this.model);
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** A loop of its own: V8 keeps compiling one that stands in an asynchronous function, and throwing away what it has made. */
  applyAll(changes: readonly Change[]): void {
    for (const change of changes) this.apply(change);
  }

  apply(change: Change): void {
    this.#reportUnreadable(change);
    const { model, bodies } = this;
    switch (change.kind) {
      case "unit":
        this.#units.applyUnit(change.name, change.entry);
        bodies.applyUnit(change.name, change.entry);
        return;
      case "body":
        this.#units.applyBody(change.hash, change.entry);
        bodies.applyBody(change.hash, change.entry);
        return;
      case "machine":
        this.machines.applyMachine(change.machineId, change.entry);
        return;
      case "metadata":
        this.machines.applyMetadata(change.machineId, change.key, change.entry);
        return;
      case "assignment":
        this.#applyAssignment(change);
        return;
      case "settled": {
        const { machineId, entry } = change;
        // One that cannot be read is simply written again: it is the engine's own word.
        model.setSettled(machineId, entry.status === "present" ? entry.value : undefined);
        return;
      }
      case "state":
        this.#applyState(change);
        return;
      case "restart":
        this.#restarts.apply(change.id, change.entry);
        return;
      case "reschedule":
        // One that cannot be read says nothing: the unit is left where it is.
        model.setReschedule(change.unit, change.entry.status === "present" ? change.entry.value : undefined);
        return;
      case "exclusive-hold":
        this.#applyExclusiveHold(change);
        return;
      case "mass-loss":
      case "confirmed-losses":
      case "cluster":
      case "events":
      case "leader":
        return;
      default:
        assertNever(change);
    }
  }

  /** See RestartProjection. */
  restartWrites(): readonly EngineWrite[] {
    return this.#restarts.writes();
  }

  #applyAssignment({ machineId, unit, entry }: Extract<Change, { kind: "assignment" }>): void {
    // The echo of what is in the model since it was decided: nearly all of them are.
    if (entry.status === "present" && this.model.isOrdered(machineId, unit, entry.value)) return;
    const former = this.model.assignment(machineId, unit);
    if (former !== undefined && former !== unreadable) this.bodies.released(former.hash);
    if (entry.status === "absent") this.model.removeAssignment(machineId, unit);
    else if (entry.status === "corrupt") this.model.setAssignmentUnreadable(machineId, unit);
    else this.model.setAssignment({ machineId, unit, ...orderAlone(entry.value) });
  }

  #applyExclusiveHold({ unit, entry }: Extract<Change, { kind: "exclusive-hold" }>): void {
    if (entry.status === "absent") this.model.setExclusiveHold(unit, undefined);
    else if (entry.status === "corrupt") this.model.setExclusiveHoldUnreadable(unit);
    else this.model.setExclusiveHold(unit, entry.value);
  }

  #applyState({ machineId, unit, entry }: Extract<Change, { kind: "state" }>): void {
    // For placing units it counts that there is a row, readable or not.
    if (entry.status === "absent") this.model.removeState(machineId, unit);
    else this.model.setState(machineId, unit);
    this.#restarts.applyState(machineId, unit, entry);
  }

  #reportUnreadable(change: Change): void {
    if (change.entry.status !== "corrupt") return;
    this.#logger.error("record_unreadable", {
      kind: change.kind,
      machine: "machineId" in change ? change.machineId : undefined,
      unit: "unit" in change ? change.unit : "name" in change ? change.name : undefined,
      hash: "hash" in change ? change.hash : undefined,
      restart: change.kind === "restart" ? change.id : undefined,
      problem: change.entry.problem,
    });
  }
}
