import { type ClusterModel, explain, type PendingCause, type PendingUnit, type Plan } from "@fleet/core";
import type { Logger } from "@fleet/runtime";

/** Each explanation looks at every machine, which blocks the process. */
const looksAtOnce = 200_000;
const mostExplanations = 200;

/** Units that may be explained without a pause. */
export function explanationsAtOnce(model: ClusterModel): number {
  return Math.max(1, Math.min(mostExplanations, Math.floor(looksAtOnce / Math.max(1, model.machineCount))));
}

/** Says why units wait, in the log and to who asks for it: once per unit and change of reason. */
export class PendingReport {
  readonly #model: ClusterModel;
  readonly #logger: Logger;
  readonly #waits: (unit: string, causes: readonly PendingCause[]) => void;
  /** Unit → its reason as last logged, and the causes in it. */
  readonly #logged = new Map<string, { readonly text: string; readonly causes: ReadonlySet<string> }>();
  readonly #unexplained = new Set<string>();

  constructor(
    model: ClusterModel,
    logger: Logger,
    waits: (unit: string, causes: readonly PendingCause[]) => void,
  ) {
    this.#model = model;
    this.#logger = logger;
    this.#waits = waits;
  }

  note(plan: Plan): void {
    for (const step of plan.steps) if (step.kind === "assign") this.#forget(step.assignment.unit);
    for (const { unit, causes } of plan.pending) this.#log(unit, causes);
    for (const unit of plan.unexplained) this.#unexplained.add(unit);
  }

  /** Forgets units that no longer wait, and explains some of those that a plan had no room for. */
  flush(): void {
    for (const unit of [...this.#logged.keys()]) if (!this.#model.unplaced.has(unit)) this.#forget(unit);
    let room = explanationsAtOnce(this.#model);
    for (const unit of [...this.#unexplained]) {
      if (room-- === 0) return;
      this.#unexplained.delete(unit);
      this.#log(unit, explain(this.#model, unit));
    }
  }

  /** Every waiting unit by name, with its reasons as of now; without any where there are too many to find out at once. */
  current(): readonly PendingUnit[] {
    const explained = explanationsAtOnce(this.#model);
    return [...this.#model.unplaced]
      .sort()
      .map((unit, index) => ({ unit, causes: index < explained ? explain(this.#model, unit) : [] }));
  }

  /** How many of the waiting units wait for what, as far as it has been explained. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { causes } of this.#logged.values()) {
      for (const cause of causes) counts.set(cause, (counts.get(cause) ?? 0) + 1);
    }
    return counts;
  }

  #forget(unit: string): void {
    this.#logged.delete(unit);
    this.#unexplained.delete(unit);
  }

  #log(unit: string, causes: readonly PendingCause[]): void {
    if (causes.length === 0) return;
    this.#unexplained.delete(unit);
    const reasons = causes.map(describe);
    const text = reasons.join(",");
    if (this.#logged.get(unit)?.text === text) return;
    this.#logged.set(unit, { text, causes: new Set(causes.map(nameOf)) });
    this.#logger.info("unit_pending", { unit, reasons });
    this.#waits(unit, causes);
  }
}

/** Without counts and machines: a reason is news, how many machines share it is not. */
function describe(cause: PendingCause): string {
  return cause.kind === "held" ? `${nameOf(cause)}:${cause.machineId}` : nameOf(cause);
}

function nameOf(cause: PendingCause): string {
  switch (cause.kind) {
    case "no_machine":
      return "no_machine";
    case "held":
      return "still_on";
    case "exclusive":
      return "exclusive";
    case "closed":
      return `machine_${cause.why}`;
    case "unable":
      return cause.obstacle.cause;
  }
}
