import { stat } from "node:fs/promises";
import type { ApiUnit, FleetClient } from "@fleet/api/client";
import { parseUnitName, requirementsOf, type TargetState, type UnitOption, validateUnit } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { mapBounded, UNITS_IN_FLIGHT } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import {
  findLocalFile,
  findUnitFile,
  type LocalSource,
  sameContent,
  type TemplateReader,
  templateReader,
} from "./find-unit-file.ts";
import { nearUnits } from "./near-units.ts";
import { expandPatterns } from "./patterns.ts";
import { requireUnitName, unitNameOf, unitPathOf } from "./unit-argument.ts";

/** What has to be written for a unit so that the registry has it with the content wanted. */
export interface PlannedUnit {
  readonly name: string;
  readonly content: "create" | "replace" | "keep";
  /** The content as it will be. */
  readonly options: readonly UnitOption[];
  readonly global: boolean;
  /** The target state before the command; undefined for a unit to be created. */
  readonly target: TargetState | undefined;
}

export interface PlanRules {
  /** Target state the command asks for. */
  readonly target: TargetState;
  readonly replace: boolean;
  /** Target states in which this command may replace a unit. */
  readonly replaceableIn: readonly TargetState[];
}

const noUnits: ReadonlyMap<string, ApiUnit> = new Map();

/**
 * Decides for every unit named what has to be written. Reads files and the registry and writes nothing: a
 * mistake in one of the names leaves everything as it was. Units that may not be replaced are left out.
 */
export async function planUnits(call: Invocation, rules: PlanRules): Promise<readonly PlannedUnit[]> {
  const client = await call.connect();
  // A template can be stored only: a pattern for units to be loaded does not mean it.
  const { args, matched } =
    rules.target === "inactive"
      ? { args: call.args, matched: noUnits }
      : await expandPatterns(call, (unit) => !isTemplate(unit.name));
  const named = new Set(call.args.map(unitNameOf));
  const paths = new Map(args.map((argument) => [unitNameOf(argument), unitPathOf(argument)]));
  // A pattern stands for units of the cluster as they are: files count only where they are to replace them.
  const asTheyAre = new Map([...matched].filter(([name]) => !named.has(name) && !rules.replace));
  const others = [...paths.keys()].filter((name) => !asTheyAre.has(name));
  for (const name of others) requireUnitName(name);
  const registered = await wordedAs(
    (reason) => `error retrieving ${unitsText(others)} from Registry: ${reason}`,
    client.unitsNamed(others, call.signal),
  );
  const templates = templateReader(client, call.signal);
  const plans = await mapBounded(
    [...paths],
    async ([name, path]) => {
      const unit = asTheyAre.get(name);
      if (unit !== undefined) return planned(name, "keep", unit.options, unit.desiredState);
      const existing = registered.get(name);
      return existing === undefined
        ? await planNew(call, client, templates, name, path)
        : await planExisting(call, existing, path, rules);
    },
    UNITS_IN_FLIGHT,
  );
  const units = plans.filter((unit) => unit !== undefined);
  for (const unit of units) checkUnit(unit, rules, call.say);
  return units;
}

function unitsText(names: readonly string[]): string {
  return names.length === 1 ? `Unit(${names[0]})` : `${names.length} units`;
}

async function planNew(
  call: Invocation,
  client: FleetClient,
  templates: TemplateReader,
  name: string,
  path: string,
): Promise<PlannedUnit> {
  const source = await findUnitFile(name, path, templates);
  if (source === undefined) throw await nowhere(name, path, client, call.signal);
  if (source.insteadOf !== undefined) {
    const { template, path: templatePath } = source.insteadOf;
    call.say(differs(template, { path: templatePath, isTemplate: true }));
  }
  return planned(name, "create", source.options, undefined);
}

async function nowhere(
  name: string,
  path: string,
  client: FleetClient,
  signal: AbortSignal,
): Promise<CommandFailure> {
  const parsed = parseUnitName(name);
  const template = parsed.ok ? parsed.value.template : undefined;
  const what = template === undefined ? `Unit(${name})` : `template Unit(${template})`;
  const near = (await nearUnits([name], client, signal)).get(name) ?? [];
  // .service was put to the argument: as it was given it may be the path of a file all the same.
  const given = path.replace(/\.service$/, "");
  const isFile = (await stat(given).catch(() => undefined))?.isFile() === true;
  const hints = isFile ? [`${given} is no unit file: the name of one ends in its type, as in ${path}`] : near;
  return new CommandFailure(`unable to find ${what} in Registry or on filesystem`, { hints });
}

async function planExisting(
  call: Invocation,
  existing: ApiUnit,
  path: string,
  rules: PlanRules,
): Promise<PlannedUnit | undefined> {
  const { name, desiredState } = existing;
  const keep = planned(name, "keep", existing.options, desiredState);
  const local = await findLocalFile(name, path);
  if (local === undefined) {
    if (!rules.replace) return keep;
    throw new CommandFailure(`unable to find a local file of Unit(${name}) to replace it with`);
  }
  if (sameContent(local.options, existing.options)) {
    if (rules.replace) call.print(`Found same Unit(${name}) in Registry, nothing to do\n`);
    return keep;
  }
  if (!rules.replace) {
    call.say(differs(name, local));
    return keep;
  }
  if (!rules.replaceableIn.includes(desiredState)) {
    call.say(
      `Warning: can not replace Unit(${name}) in state '${desiredState}', use the appropriate command`,
    );
    return undefined;
  }
  return planned(name, "replace", local.options, desiredState);
}

function differs(name: string, local: Pick<LocalSource, "path" | "isTemplate">): string {
  const kind = local.isTemplate ? "local template unit file" : "local unit file";
  return `WARNING: Unit ${name} in registry differs from ${kind} ${local.path}. Add --replace to override.`;
}

function planned(
  name: string,
  content: PlannedUnit["content"],
  options: readonly UnitOption[],
  target: TargetState | undefined,
): PlannedUnit {
  return { name, content, options, target, global: requirementsOf(name, options).global };
}

function isTemplate(name: string): boolean {
  const parsed = parseUnitName(name);
  return parsed.ok && parsed.value.isTemplate;
}

/** What the daemon would refuse, refused before anything is sent. */
function checkUnit(unit: PlannedUnit, rules: PlanRules, say: (line: string) => void): void {
  if (isTemplate(unit.name) && rules.target !== "inactive") {
    throw new CommandFailure(`cannot activate template ${JSON.stringify(unit.name)}`);
  }
  if (unit.content === "keep") return;
  if (unit.options.length === 0) {
    throw new CommandFailure(
      `invalid unit ${unit.name}: its file has no options, such as ExecStart= in a section [Service]`,
    );
  }
  const { problems, warnings } = validateUnit(unit.name, unit.options);
  if (problems.length > 0) throw new CommandFailure(`invalid unit ${unit.name}: ${problems.join("; ")}`);
  for (const warning of warnings) say(`WARNING: Unit ${unit.name}: ${warning}`);
}
