import { FleetApiError, type FleetClient, type UnitChange } from "@fleet/api/client";
import { errorMessage } from "@fleet/runtime";
import { isInterrupt, wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import type { PlannedImport } from "./plan-import.ts";

export interface ImportOutcome {
  /** Units created or replaced. */
  readonly written: number;
  /** Units whose target state was raised. */
  readonly raised: number;
  /** What the daemon refused although the plan had it. */
  readonly refused: readonly { readonly name: string; readonly problem: string }[];
}

/** Statuses that speak of the unit alone: invalid, gone meanwhile, too large. */
const ofOneUnit: ReadonlySet<number> = new Set([400, 409, 413]);

/**
 * Carries the plan out: contents first, templates before the rest, then target states, so that whatever a unit needs
 * beside it is there before it starts. Each step leaves the cluster such that the same import, planned anew, goes on
 * from there. Throws CommandFailure when the daemon can no longer be asked.
 */
export async function applyImport(
  plan: readonly PlannedImport[],
  client: Pick<FleetClient, "putUnit">,
  signal: AbortSignal,
): Promise<ImportOutcome> {
  const refused = new Map<string, string>();
  const write = async (change: UnitChange): Promise<void> => {
    try {
      await client.putUnit(change, signal);
    } catch (error) {
      if (!(error instanceof FleetApiError) || !ofOneUnit.has(error.status)) throw error;
      refused.set(change.name, errorMessage(error));
    }
  };
  const each = async (units: readonly PlannedImport[], change: (unit: PlannedImport) => UnitChange) => {
    await going(mapBounded(units, (unit) => write(change(unit))));
    return units.filter(({ name }) => !refused.has(name)).length;
  };

  const contents = plan.filter(({ content }) => content === "create" || content === "replace");
  const templates = contents.filter(({ isTemplate }) => isTemplate);
  const others = contents.filter(({ isTemplate }) => !isTemplate);
  const written = (await each(templates, contentChange)) + (await each(others, contentChange));
  const targets = plan.filter((unit) => needsTarget(unit) && !refused.has(unit.name));
  const raised = await each(targets, targetChange);
  return { written, raised, refused: [...refused].map(([name, problem]) => ({ name, problem })) };
}

function contentChange({ name, options, content, wanted }: PlannedImport): UnitChange {
  // A unit that is replaced gets both at once: in two requests it would stop in between.
  return {
    name,
    options,
    ...(content === "replace" && wanted !== undefined ? { desiredState: wanted } : {}),
  };
}

function targetChange({ name, wanted }: PlannedImport): UnitChange {
  return { name, ...(wanted === undefined ? {} : { desiredState: wanted }) };
}

/** Whether a request for the target state alone is due. */
export function needsTarget({ content, here, wanted }: PlannedImport): boolean {
  if (content === "create") return wanted !== "inactive";
  return content === "same" && here !== wanted;
}

async function going<Value>(work: Promise<Value>): Promise<Value> {
  try {
    return await wordedAs((reason) => `Error writing units: ${reason}`, work);
  } catch (error) {
    if (isInterrupt(error) || !(error instanceof CommandFailure)) throw error;
    const hint = "What was done stays done: the same command goes on from there.";
    throw new CommandFailure(error.message, { hints: [hint, ...error.hints], cause: error.cause });
  }
}
