import type { ApiUnit, ClientMachine } from "@fleet/api/client";
import {
  matchesMachineId,
  metadataMismatch,
  parseUnitName,
  requirementsOf,
  type TargetState,
  type UnitOption,
  validateUnit,
} from "@fleet/core";
import { sameContent } from "../units/find-unit-file.ts";
import type { ImportSource, SourceUnit } from "./import-source.ts";
import { readingDifferences } from "./reading-differences.ts";

/** What is to be done with one unit. */
export interface PlannedImport {
  readonly name: string;
  /** - `create`: it is not here yet
   *  - `same`: here with the same content
   *  - `replace`: here with other content, which is to be replaced
   *  - `differs`: here with other content, and left alone
   *  - `refused`: it cannot be a unit here */
  readonly content: "create" | "same" | "replace" | "differs" | "refused";
  readonly options: readonly UnitOption[];
  readonly isTemplate: boolean;
  /** Target state there; undefined when the unit cannot be read. */
  readonly there: TargetState | undefined;
  /** Target state here before; undefined when it is not here. */
  readonly here: TargetState | undefined;
  /** Target state here afterwards; undefined when it will not be here. */
  readonly wanted: TargetState | undefined;
  /** Why it is refused. */
  readonly problems: readonly string[];
  /** What probably is not meant, or will not be as it was. */
  readonly warnings: readonly string[];
}

/** What this cluster has. */
export interface Destination {
  readonly units: readonly ApiUnit[];
  readonly machines: readonly ClientMachine[];
}

export interface ImportRules {
  /** Units get no further than this. */
  readonly maxState: TargetState;
  /** Replace what differs. */
  readonly replace: boolean;
  /** Which units are meant, by name. */
  readonly takes: (name: string) => boolean;
}

const states: readonly TargetState[] = ["inactive", "loaded", "launched"];

/**
 * Decides, per unit, what has to be written so that this cluster has what the source has. Sorted by name.
 *
 * A target state is only ever raised: what was started here stays so when the import is repeated, although it was
 * stopped there meanwhile. That is what makes it safe to repeat while units move over one by one.
 */
export function planImport(
  source: ImportSource,
  destination: Destination,
  rules: ImportRules,
): readonly PlannedImport[] {
  const existing = new Map(destination.units.map((unit) => [unit.name, unit]));
  const readable = source.units
    .filter(({ name }) => rules.takes(name))
    .map((unit) => planUnit(unit, existing.get(unit.name), destination.machines, rules));
  const unreadable = source.unreadable
    .filter(({ name }) => rules.takes(name))
    .map(({ name, problem }) => refused(name, [], undefined, existing.get(name), [problem]));
  return [...readable, ...unreadable].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function planUnit(
  unit: SourceUnit,
  existing: ApiUnit | undefined,
  machines: readonly ClientMachine[],
  rules: ImportRules,
): PlannedImport {
  const { name, options, target: there } = unit;
  const { problems, warnings } = judge(unit);
  if (problems.length > 0) return refused(name, options, there, existing, problems);
  const here = existing?.desiredState;
  const content = contentOf(unit, existing, rules.replace);
  const isTemplate = isTemplateName(name);
  return {
    name,
    content,
    options,
    isTemplate,
    there,
    here,
    wanted:
      content === "differs"
        ? here
        : highest(here ?? "inactive", isTemplate ? "inactive" : lowest(there, rules.maxState)),
    problems: [],
    warnings: [...warnings, ...readingDifferences(options), ...placeless(unit, machines)],
  };
}

function refused(
  name: string,
  options: readonly UnitOption[],
  there: TargetState | undefined,
  existing: ApiUnit | undefined,
  problems: readonly string[],
): PlannedImport {
  const here = existing?.desiredState;
  const isTemplate = isTemplateName(name);
  return {
    name,
    content: "refused",
    options,
    isTemplate,
    there,
    here,
    wanted: here,
    problems,
    warnings: [],
  };
}

/** What the daemon would say of it, and one thing that only a request without options could tell. */
function judge({ name, options }: SourceUnit) {
  if (options.length > 0) return validateUnit(name, options);
  return { problems: ["it has no options, such as ExecStart= in a section [Service]"], warnings: [] };
}

function contentOf(
  unit: SourceUnit,
  existing: ApiUnit | undefined,
  replace: boolean,
): "create" | "same" | "replace" | "differs" {
  if (existing === undefined) return "create";
  if (sameContent(unit.options, existing.options)) return "same";
  return replace ? "replace" : "differs";
}

/** What no machine that is here now could satisfy. Without machines nothing can be told. */
function placeless({ name, options }: SourceUnit, machines: readonly ClientMachine[]): readonly string[] {
  if (machines.length === 0 || isTemplateName(name)) return [];
  const requirements = requirementsOf(name, options);
  const { machineId } = requirements;
  if (machineId !== undefined && !machines.some((machine) => matchesMachineId(machineId, machine.id))) {
    return [`it may only run on machine ${machineId}, which is not in this cluster now`];
  }
  const fits = machines.some(
    ({ metadata }) => metadataMismatch(requirements, new Map(Object.entries(metadata))) === undefined,
  );
  return fits ? [] : ["no machine in this cluster now has the metadata that it asks for"];
}

function isTemplateName(name: string): boolean {
  const parsed = parseUnitName(name);
  return parsed.ok && parsed.value.isTemplate;
}

function lowest(left: TargetState, right: TargetState): TargetState {
  return states.indexOf(left) < states.indexOf(right) ? left : right;
}

function highest(left: TargetState, right: TargetState): TargetState {
  return states.indexOf(left) > states.indexOf(right) ? left : right;
}

/** Units that run in both clusters once the plan is carried out, until they are stopped in one of them. */
export function runningInBoth(source: ImportSource, plan: readonly PlannedImport[]): readonly string[] {
  if (source.kind !== "cluster") return [];
  return plan
    .filter(({ there, wanted }) => there === "launched" && wanted === "launched")
    .map(({ name }) => name);
}
