import type { Requirements } from "../unit/requirements.ts";
import { allObstacles } from "./all-obstacles.ts";
import type { ClusterModel } from "./cluster-model.ts";
import { type Closed, type Verdict, verdictOn, waitingFor } from "./explain.ts";
import type { Obstacle } from "./obstacle.ts";
import { unreadable } from "./occupancy.ts";
import { compareText, sorted } from "./order.ts";
import { boundTo } from "./place-pending.ts";
import type { TargetState } from "./records.ts";
import type { ReadableUnit } from "./unit-standing.ts";

/** Why a unit is where it is, or nowhere. */
export interface UnitExplanation {
  readonly unit: string;
  /** Undefined when its record cannot be read. */
  readonly target: TargetState | undefined;
  /** `placed`: on a machine; a global unit on one at least. */
  readonly verdict: "inactive" | "placed" | "waiting" | "unreadable";
  /** Undefined when they cannot be read. */
  readonly requirements: Requirements | undefined;
  /** Machines that are present. */
  readonly machines: number;
  readonly placements: readonly Placement[];
  /** Machines that would take it now, apart from those it is on, and the lowest of them. */
  readonly able: { readonly machines: number; readonly machineId: string } | undefined;
  /** What keeps it off the other machines, the most frequent first. */
  readonly causes: readonly Cause[];
  /** Of the machines that do not fit the one with the fewest obstacles, the lowest of several; of very many, of the first. */
  readonly nearest: { readonly machineId: string; readonly obstacles: readonly Obstacle[] } | undefined;
}

export interface Placement {
  readonly machineId: string;
  /** What would be said of this machine if the unit were to be placed now. */
  readonly verdict: Verdict;
}

/** Machines kept out in the same way. */
export interface Cause {
  readonly why: WhyNot;
  readonly machines: number;
  /** Some of them, the lowest first. */
  readonly examples: readonly string[];
  /** All that keeps the unit off the first of them; undefined where there is no telling. */
  readonly obstacles: readonly Obstacle[] | undefined;
}

export type WhyNot =
  | { readonly kind: "no_machine" }
  /** It still has the unit loaded, and must give it up first. */
  | { readonly kind: "held" }
  /** Exclusive: `machineId` (unknown if left out) may still be running it; `stopMs`: how long its stop may take. */
  | { readonly kind: "exclusive"; readonly machineId?: string; readonly stopMs?: number }
  | { readonly kind: "closed"; readonly why: Closed }
  /** `obstacle` is that of the first machine; `units`: how many units are in the way on all of them. */
  | { readonly kind: "unable"; readonly obstacle: Obstacle; readonly units: number };

/** Machines named for each cause. */
const examples = 3;
/** Obstacles told of one machine. */
const mostObstacles = 5;
/** Machines of which all obstacles are looked for: of more, one that is near enough is among them. */
const mostFullLooks = 1_000;
/** Machines looked at before the caller may pause. */
const looksAtOnce = 25;

/**
 * Explains a unit as things stand; undefined when there is none of that name. Looks at every machine, and yields now and
 * then so that the caller can pause; the model must not change meanwhile.
 */
export function* explainUnit(
  model: ClusterModel,
  name: string,
): Generator<void, UnitExplanation | undefined, void> {
  const record = model.unit(name);
  if (record === undefined) return undefined;
  const unit = model.readableUnit(name);
  const placements = sorted(model.machinesOf(name)).map((machineId) => ({
    machineId,
    verdict: unit === undefined ? able : verdictOn(model, unit, machineId),
  }));
  const common = {
    unit: name,
    target: record === unreadable ? undefined : record.target,
    requirements: unit?.requirements,
    machines: model.machineCount,
    placements,
  };
  const nothing = { able: undefined, causes: [], nearest: undefined };
  if (unit === undefined) return { ...common, ...nothing, verdict: "unreadable" };
  if (unit.target === "inactive") return { ...common, ...nothing, verdict: "inactive" };
  const verdict = placements.length > 0 ? "placed" : "waiting";
  const found = yield* survey(model, unit);
  return { ...common, ...found, verdict };
}

const able: Verdict = { kind: "able" };

type Survey = Pick<UnitExplanation, "able" | "causes" | "nearest">;

/** What all machines that the unit is not on are to it. */
function* survey(model: ClusterModel, unit: ReadableUnit): Generator<void, Survey, void> {
  const waits = model.unplaced.has(unit.name);
  const bound = waits ? boundTo(model, unit) : "free";
  if (bound === "waits")
    return { able: undefined, causes: boundCauses(model, unit.name), nearest: undefined };
  const machineIds = bound === "free" ? model.machineIds() : [bound.id];
  if (machineIds.length === 0) {
    const why = { kind: "no_machine" } as const;
    return {
      able: undefined,
      causes: [{ why, machines: 0, examples: [], obstacles: undefined }],
      nearest: undefined,
    };
  }
  const tally = new Tally(model, unit);
  let looks = 0;
  for (const machineId of machineIds) {
    if (model.isAssigned(machineId, unit.name)) continue;
    tally.look(machineId);
    looks += 1;
    if (looks % looksAtOnce === 0) yield;
  }
  return tally.result();
}

function boundCauses(model: ClusterModel, name: string): readonly Cause[] {
  return waitingFor(model, name).map((cause): Cause => {
    if (cause.kind === "held") {
      const why = { kind: "held" } as const;
      return { why, machines: 1, examples: [cause.machineId], obstacles: undefined };
    }
    const { machineId } = cause;
    const hold = model.exclusiveHold(name);
    const why = {
      ...cause,
      ...(hold === undefined || hold === unreadable ? {} : { stopMs: hold.stopMs }),
    };
    const named = machineId === undefined ? [] : [machineId];
    return { why, machines: model.machineCount, examples: named, obstacles: undefined };
  });
}

interface Counted {
  readonly why:
    | Exclude<WhyNot, { kind: "unable" }>
    | { readonly kind: "unable"; readonly obstacle: Obstacle };
  machines: number;
  readonly examples: string[];
  readonly units: Set<string>;
}

/** Counts machines by what keeps the unit off them. Machines are to be looked at in order of id. */
class Tally {
  readonly #model: ClusterModel;
  readonly #unit: ReadableUnit;
  readonly #causes = new Map<string, Counted>();
  #able: UnitExplanation["able"];
  #nearest: UnitExplanation["nearest"];
  #fullLooks = 0;

  constructor(model: ClusterModel, unit: ReadableUnit) {
    this.#model = model;
    this.#unit = unit;
  }

  look(machineId: string): void {
    const verdict = verdictOn(this.#model, this.#unit, machineId);
    if (verdict.kind === "closed") this.#count(`closed ${verdict.why}`, machineId, verdict);
    else if (verdict.kind === "able" && this.#isBeingStopped(machineId)) {
      this.#count("held", machineId, { kind: "held" });
    } else if (verdict.kind === "able") {
      this.#able = {
        machines: (this.#able?.machines ?? 0) + 1,
        machineId: this.#able?.machineId ?? machineId,
      };
    } else {
      const { obstacle, machine } = verdict;
      this.#count(`unable ${sameness(obstacle)}`, machineId, { kind: "unable", obstacle });
      // With one obstacle nothing can be nearer.
      const fewest = this.#nearest?.obstacles.length ?? mostObstacles + 1;
      if (fewest === 1 || this.#fullLooks === mostFullLooks) return;
      this.#fullLooks += 1;
      const obstacles = allObstacles(this.#model, this.#unit, machine, Math.min(fewest, mostObstacles));
      if (obstacles.length < fewest) this.#nearest = { machineId, obstacles };
    }
  }

  result(): Survey {
    const causes = [...this.#causes]
      .sort(([left, one], [right, other]) => other.machines - one.machines || compareText(left, right))
      .map(([, counted]) => this.#cause(counted));
    return { able: this.#able, causes, nearest: this.#nearest };
  }

  /** The machine stops the global unit, which it may have again after that. */
  #isBeingStopped(machineId: string): boolean {
    const machine = this.#model.machine(machineId);
    const { name, requirements } = this.#unit;
    if (machine === undefined || !requirements.global || !this.#model.isHeld(machineId, name)) return false;
    return this.#model.isSettled(machine);
  }

  #count(key: string, machineId: string, why: Counted["why"]): void {
    const known = this.#causes.get(key) ?? { why, machines: 0, examples: [], units: new Set<string>() };
    this.#causes.set(key, known);
    known.machines += 1;
    if (known.examples.length < examples) known.examples.push(machineId);
    if (why.kind === "unable" && "unit" in why.obstacle) known.units.add(why.obstacle.unit);
  }

  #cause({ why, machines, examples: named, units }: Counted): Cause {
    if (why.kind !== "unable") return { why, machines, examples: named, obstacles: undefined };
    const machine = this.#model.machine(named[0] ?? "");
    const obstacles =
      machine === undefined ? undefined : allObstacles(this.#model, this.#unit, machine, mostObstacles);
    return { why: { ...why, units: units.size }, machines, examples: named, obstacles };
  }
}

/** The same for obstacles that are one and the same to the user: a hundred instances that match one glob are one cause. */
function sameness(obstacle: Obstacle): string {
  switch (obstacle.cause) {
    case "MachineID":
      return `MachineID ${obstacle.required}`;
    case "MachineMetadata":
      return `MachineMetadata ${obstacle.key} ${obstacle.accepted.join(" ")}`;
    case "MachineOf":
      return `MachineOf ${obstacle.peer}`;
    case "Conflicts": {
      const own = obstacle.conflict.declaredBy !== obstacle.unit;
      return `Conflicts ${own ? "own" : "theirs"} ${obstacle.conflict.glob}`;
    }
    case "Replaces":
      return `Replaces ${obstacle.glob}`;
    case "ReplacesBlocked":
      return `ReplacesBlocked ${obstacle.why}`;
  }
}
