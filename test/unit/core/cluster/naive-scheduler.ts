import {
  type Assignment,
  conflictBetween,
  type LeaveReason,
  type Machine,
  matchesMachineId,
  metadataMismatch,
  type Occupant,
  replacesUnit,
  type Settled,
  type Step,
  type Unit,
} from "@fleet/core";

/** The registry's records as plain lists; `undefined` contents stand for a record that cannot be read. */
export interface World {
  readonly machines: readonly { readonly id: string; readonly machine: Machine | undefined }[];
  readonly units: readonly { readonly name: string; readonly unit: Unit | undefined }[];
  readonly assignments: readonly {
    readonly machineId: string;
    readonly unit: string;
    readonly assignment: Assignment | undefined;
  }[];
  readonly rows: readonly { readonly machineId: string; readonly unit: string }[];
  readonly settled: readonly ({ readonly machineId: string } & Settled)[];
}

type Readable = Unit & { readonly requirements: NonNullable<Unit["requirements"]> };

/**
 * The scheduling rules with nothing but loops over lists: no indexes, no memory of earlier plans, everything
 * looked at again each time. Slow on purpose: it is what the planner is checked against.
 */
export function naivePlan(world: World): readonly Step[] {
  return new NaiveScheduler(world).plan();
}

class NaiveScheduler {
  readonly #world: World;
  readonly #steps: Step[] = [];
  readonly #moving: string[] = [];
  /** The same, as `machine/unit`. */
  readonly #leaving: string[] = [];
  #assignments: World["assignments"];
  #rows: World["rows"];

  constructor(world: World) {
    this.#world = world;
    this.#assignments = world.assignments;
    this.#rows = world.rows;
  }

  plan(): readonly Step[] {
    this.#leave();
    this.#update();
    this.#placeGlobals();
    while (this.#placeOne());
    this.#settle();
    return this.#steps;
  }

  // --- Leaving ---------------------------------------------------------------------------------------------

  #leave(): void {
    for (const machineId of this.#machineIds()) {
      for (const name of this.#assignedOn(machineId)) {
        const reason = this.#decidable(machineId, name) ? this.#ownReason(machineId, name) : undefined;
        if (reason !== undefined) this.#withdraw(machineId, name, reason);
      }
    }
    for (const name of unique(this.#assignments.map(({ unit }) => unit))) {
      const unit = this.#unit(name);
      if (unit === undefined || unit.requirements.global) continue;
      const machines = this.#machinesOf(name);
      if (machines.length < 2) continue;
      const [kept = "", ...others] = machines.filter((machineId) => this.#decidable(machineId, name));
      for (const machineId of others) this.#withdraw(machineId, name, { kind: "duplicate", kept });
    }
    for (const machineId of this.#machineIds()) {
      if (this.#machine(machineId) === undefined) continue;
      this.#withdrawFollowers(machineId);
      while (this.#withdrawLastToClash(machineId)) this.#withdrawFollowers(machineId);
    }
  }

  #ownReason(machineId: string, name: string): LeaveReason | undefined {
    const unit = this.#unit(name);
    if (unit === undefined) return { kind: "destroyed" };
    if (unit.target === "inactive") return { kind: "inactive" };
    const machine = this.#machine(machineId);
    if (machine === undefined) return { kind: "machine_gone" };
    if (machine.leaving) return { kind: "machine_leaving" };
    const required = unit.requirements.machineId;
    if (required !== undefined && !matchesMachineId(required, machineId)) {
      return { kind: "machine_id", required };
    }
    const mismatch = metadataMismatch(unit.requirements, machine.metadata);
    if (mismatch === undefined) return undefined;
    return { kind: "machine_metadata", key: mismatch.key, accepted: mismatch.accepted };
  }

  #withdrawFollowers(machineId: string): void {
    for (;;) {
      const leaving = this.#assignedOn(machineId).flatMap((name) => {
        const peer = this.#unit(name)?.requirements.machineOf.find((peer) => !this.#isOn(machineId, peer));
        return peer !== undefined && this.#decidable(machineId, name) ? [{ name, peer }] : [];
      });
      if (leaving.length === 0) return;
      for (const { name, peer } of leaving) this.#withdraw(machineId, name, { kind: "machine_of", peer });
    }
  }

  #withdrawLastToClash(machineId: string): boolean {
    const names = this.#assignedOn(machineId);
    const clashing = names.flatMap((name): { readonly unit: Readable; readonly reason: LeaveReason }[] => {
      const unit = this.#unit(name);
      if (unit === undefined || !this.#decidable(machineId, name)) return [];
      const conflict = names.find((other) => conflictBetween(unit, this.#occupant(other)) !== undefined);
      const replacer = names.find((other) => replacesUnit(this.#occupant(other), unit) !== undefined);
      if (conflict !== undefined) return [{ unit, reason: { kind: "conflict", unit: conflict } }];
      if (replacer !== undefined) return [{ unit, reason: { kind: "replaced", unit: replacer } }];
      return [];
    });
    const last = clashing.sort((left, right) => seniority(left.unit, right.unit)).at(-1);
    if (last === undefined) return false;
    this.#withdraw(machineId, last.unit.name, last.reason);
    return true;
  }

  // --- Staying ---------------------------------------------------------------------------------------------

  #update(): void {
    for (const machineId of this.#machineIds()) {
      for (const name of this.#assignedOn(machineId)) {
        const unit = this.#unit(name);
        const assignment = this.#assignments.find(
          (entry) => entry.machineId === machineId && entry.unit === name,
        )?.assignment;
        if (unit === undefined || assignment === undefined || !this.#decidable(machineId, name)) continue;
        if (unit.target === "inactive") continue;
        const content = unit.hash !== assignment.hash;
        const target = unit.target !== assignment.target;
        const inVain = assignment.awaits.some((awaited) => this.#isOn(machineId, awaited));
        if (!content && !target && unit.generation === assignment.generation && !inVain) continue;
        this.#steps.push({
          kind: "update",
          assignment: this.#put(machineId, unit, unit.target),
          reason: { kind: "changed", content, target },
        });
      }
    }
  }

  // --- Placing ---------------------------------------------------------------------------------------------

  #placeGlobals(): void {
    for (const machineId of this.#machineIds()) {
      const machine = this.#machine(machineId);
      if (machine === undefined || machine.leaving) continue;
      for (const unit of this.#unitsToRun().filter(({ requirements }) => requirements.global)) {
        if (this.#isOn(machineId, unit.name)) continue;
        const holds = this.#isHeld(machineId, unit.name);
        const leaves = this.#leaving.includes(`${machineId}/${unit.name}`);
        if (holds && (leaves || !this.#mayKeep(machine, unit.name))) continue;
        if (!this.#able(unit, machine)) continue;
        const assignment = this.#put(machineId, unit, unit.target);
        this.#steps.push({ kind: "assign", assignment, reason: { kind: "global" } });
      }
    }
  }

  #placeOne(): boolean {
    for (const unit of this.#unitsToRun()) {
      if (unit.requirements.global || this.#machinesOf(unit.name).length > 0) continue;
      if (this.#moving.includes(unit.name)) continue;
      const holders = this.#machineIds().filter((id) => this.#isPresent(id) && this.#isHeld(id, unit.name));
      const [holder] = holders;
      if (holders.length > 1) continue;
      const open = this.#openMachines().filter((machine) => holder === undefined || machine.id === holder);
      if (holder !== undefined && open.some((machine) => !this.#mayKeep(machine, unit.name))) continue;
      const machine = open
        .filter((candidate) => this.#able(unit, candidate))
        .sort(
          (left, right) =>
            Number(left.unsteady ?? false) - Number(right.unsteady ?? false) ||
            this.#load(left) - this.#load(right) ||
            (left.id < right.id ? -1 : 1),
        )[0];
      if (machine === undefined) continue;
      const load = this.#load(machine);
      for (const pushed of this.#pushed(unit, machine)) {
        this.#withdraw(machine.id, pushed, { kind: "replaced", unit: unit.name });
      }
      this.#withdrawFollowers(machine.id);
      this.#steps.push({
        kind: "assign",
        assignment: this.#put(machine.id, unit, unit.target),
        reason: holder === undefined ? { kind: "least_loaded", load } : { kind: "kept" },
      });
      return true;
    }
    return false;
  }

  /** Able, and whoever would be pushed off can go. */
  #able(unit: Readable, machine: Machine): boolean {
    if (!this.#ableBeside(unit, machine)) return false;
    const pushed = this.#pushed(unit, machine);
    const movable = pushed.every((name) => {
      const other = this.#unit(name);
      if (other === undefined || !this.#decidable(machine.id, name)) return false;
      if (other.requirements.global) return true;
      if (other.requirements.replaces.length > 0 && seniority(other, unit) > 0) return false;
      return this.#openMachines().some(
        (elsewhere) =>
          elsewhere.id !== machine.id &&
          this.#ableBeside(other, elsewhere) &&
          this.#pushed(other, elsewhere).length === 0,
      );
    });
    if (!movable) return false;
    let gone: readonly string[] = pushed;
    for (;;) {
      const more = this.#assignedOn(machine.id).filter(
        (name) =>
          !gone.includes(name) &&
          this.#decidable(machine.id, name) &&
          (this.#unit(name)?.requirements.machineOf.some((peer) => gone.includes(peer)) ?? false),
      );
      if (more.length === 0) break;
      gone = [...gone, ...more];
    }
    return !unit.requirements.machineOf.some((peer) => gone.includes(peer));
  }

  #ableBeside(unit: Readable, machine: Machine): boolean {
    const { requirements } = unit;
    const others = unique([
      ...this.#assignedOn(machine.id),
      ...this.#rows.filter((row) => row.machineId === machine.id).map((row) => row.unit),
    ]).map((name) => this.#occupant(name));
    return (
      (requirements.machineId === undefined || matchesMachineId(requirements.machineId, machine.id)) &&
      metadataMismatch(requirements, machine.metadata) === undefined &&
      requirements.machineOf.every((peer) => this.#isOn(machine.id, peer)) &&
      others.every((other) => conflictBetween(unit, other) === undefined) &&
      others.every((other) => replacesUnit(other, unit) === undefined)
    );
  }

  #pushed(unit: Readable, machine: Machine): readonly string[] {
    return this.#assignedOn(machine.id).filter(
      (name) => replacesUnit(unit, this.#occupant(name)) !== undefined,
    );
  }

  // --- Settling --------------------------------------------------------------------------------------------

  #settle(): void {
    for (const machineId of this.#machineIds()) {
      const machine = this.#machine(machineId);
      if (machine === undefined) continue;
      const told = this.#isSettled(machine) ? (this.#told(machineId)?.spared ?? []) : undefined;
      const spared = unique(
        this.#world.units.filter((entry) => this.#isUndecided(entry)).map(({ name }) => name),
      ).filter((name) => (told === undefined ? !this.#isOn(machineId, name) : told.includes(name)));
      if (told !== undefined && told.length === spared.length) continue;
      this.#steps.push({ kind: "settle", machineId, registration: machine.registration, spared });
    }
  }

  // --- Doing -----------------------------------------------------------------------------------------------

  #withdraw(machineId: string, unit: string, reason: LeaveReason): void {
    this.#assignments = this.#assignments.filter(
      (entry) => entry.machineId !== machineId || entry.unit !== unit,
    );
    if (this.#isPresent(machineId)) {
      this.#moving.push(unit);
      this.#leaving.push(`${machineId}/${unit}`);
      this.#rows = [...this.#rows, { machineId, unit }];
    }
    this.#steps.push({ kind: "withdraw", machineId, unit, reason });
  }

  #put(machineId: string, unit: Readable, target: Unit["target"]): Assignment {
    if (target === "inactive") throw new Error("an inactive unit is not assigned");
    const awaits = unique(
      this.#rows
        .filter((row) => row.machineId === machineId && !this.#isOn(machineId, row.unit))
        .map((row) => row.unit)
        .filter((name) => replacesUnit(unit, this.#occupant(name)) !== undefined),
    );
    const { name, hash, generation } = unit;
    const assignment: Assignment = { machineId, unit: name, hash, target, generation, awaits };
    this.#assignments = [
      ...this.#assignments.filter((entry) => entry.machineId !== machineId || entry.unit !== name),
      { machineId, unit: name, assignment },
    ];
    return assignment;
  }

  // --- Asking ----------------------------------------------------------------------------------------------

  #machineIds(): readonly string[] {
    return unique([
      ...this.#world.machines.map(({ id }) => id),
      ...this.#assignments.map(({ machineId }) => machineId),
    ]);
  }

  #isPresent(machineId: string): boolean {
    return this.#world.machines.some(({ id }) => id === machineId);
  }

  #machine(machineId: string): Machine | undefined {
    return this.#world.machines.find(({ id }) => id === machineId)?.machine;
  }

  #openMachines(): Machine[] {
    return this.#world.machines.flatMap(({ machine }) => (machine && !machine.leaving ? [machine] : []));
  }

  #told(machineId: string): Settled | undefined {
    return this.#world.settled.find((entry) => entry.machineId === machineId);
  }

  #isSettled(machine: Machine): boolean {
    return this.#told(machine.id)?.registration === machine.registration;
  }

  #mayKeep(machine: Machine, unit: string): boolean {
    return !this.#isSettled(machine) || this.#told(machine.id)?.spared?.includes(unit) === true;
  }

  #isUndecided({ unit }: World["units"][number]): boolean {
    return unit === undefined || (unit.requirements === undefined && unit.target !== "inactive");
  }

  #unit(name: string): Readable | undefined {
    const unit = this.#world.units.find((entry) => entry.name === name)?.unit;
    if (unit?.requirements === undefined) return undefined;
    const requirements = unit.requirements.global
      ? { ...unit.requirements, machineOf: [], replaces: [] }
      : unit.requirements;
    return { ...unit, requirements };
  }

  #occupant(name: string): Occupant {
    return { name, requirements: this.#unit(name)?.requirements };
  }

  #unitsToRun(): readonly Readable[] {
    return this.#world.units
      .flatMap(({ name }) => this.#unit(name) ?? [])
      .filter(({ target }) => target !== "inactive")
      .sort(seniority);
  }

  #decidable(machineId: string, name: string): boolean {
    if (this.#isPresent(machineId) && this.#machine(machineId) === undefined) return false;
    const entry = this.#assignments.find(({ machineId: id, unit }) => id === machineId && unit === name);
    if (entry !== undefined && entry.assignment === undefined) return false;
    return this.#unit(name) !== undefined || !this.#world.units.some((unit) => unit.name === name);
  }

  #assignedOn(machineId: string): readonly string[] {
    return unique(this.#assignments.filter((entry) => entry.machineId === machineId).map(({ unit }) => unit));
  }

  #machinesOf(name: string): readonly string[] {
    return unique(this.#assignments.filter(({ unit }) => unit === name).map(({ machineId }) => machineId));
  }

  #isOn(machineId: string, name: string): boolean {
    return this.#assignments.some((entry) => entry.machineId === machineId && entry.unit === name);
  }

  #isHeld(machineId: string, name: string): boolean {
    return (
      !this.#isOn(machineId, name) &&
      this.#rows.some((row) => row.machineId === machineId && row.unit === name)
    );
  }

  #load(machine: Machine): number {
    return this.#assignedOn(machine.id).length;
  }
}

function seniority(left: Unit, right: Unit): number {
  if (left.changedAt !== right.changedAt) return left.changedAt - right.changedAt;
  return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
