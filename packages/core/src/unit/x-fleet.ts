import { escapeGlob, isWellFormedGlob } from "./glob.ts";
import type { Exclusiveness, Requirements } from "./requirements.ts";
import { type Rescheduling, readRescheduling } from "./rescheduling.ts";
import { stopBound } from "./stop-bound.ts";
import { joinContinuations } from "./unit-file.ts";
import { parseUnitName } from "./unit-name.ts";
import type { UnitOption } from "./unit-option.ts";
import { trimSpace, words } from "./whitespace.ts";

/** The section whose options speak to fleet; systemd ignores sections that begin with `X-`. */
export const fleetSection = "X-Fleet";

type Requirement =
  | "MachineID"
  | "MachineOf"
  | "MachineMetadata"
  | "Conflicts"
  | "Replaces"
  | "Global"
  | "Exclusive"
  | "RescheduleOnFailure"
  | "RescheduleLimitBurst"
  | "RescheduleLimitIntervalSec";

/** Every accepted spelling; of those of one option, the first listed counts before the next. */
const spellings: ReadonlyMap<string, Requirement> = new Map([
  ["MachineID", "MachineID"],
  ["X-ConditionMachineID", "MachineID"],
  ["X-ConditionMachineBootID", "MachineID"],
  ["X-ConditionMachineOf", "MachineOf"],
  ["ConditionMachineOf", "MachineOf"],
  ["MachineOf", "MachineOf"],
  ["X-ConditionMachineMetadata", "MachineMetadata"],
  ["MachineMetadata", "MachineMetadata"],
  ["X-Conflicts", "Conflicts"],
  ["Conflicts", "Conflicts"],
  ["Replaces", "Replaces"],
  ["Global", "Global"],
  ["Exclusive", "Exclusive"],
  ["RescheduleOnFailure", "RescheduleOnFailure"],
  ["RescheduleLimitBurst", "RescheduleLimitBurst"],
  ["RescheduleLimitIntervalSec", "RescheduleLimitIntervalSec"],
]);

/** For a unit whose stop has no bound, which is refused when it is submitted: it is never placed anew. */
const unboundedStopMs = Number.MAX_SAFE_INTEGER;

const truthy: ReadonlySet<string> = new Set(["true", "yes", "1", "on", "t"]);
const falsy: ReadonlySet<string> = new Set(["false", "no", "0", "off", "f", ""]);

/** Requirements and what is odd about how they are written; the unit is accepted all the same. */
export interface RequirementsReading {
  readonly requirements: Requirements;
  readonly warnings: readonly string[];
}

/** What a unit of this name with these options asks of its machine. */
export function requirementsOf(name: string, options: readonly UnitOption[]): Requirements {
  return readRequirements(name, options).requirements;
}

/** Whether it is global, and nothing else: most units have no such option, and a listing asks for thousands of them. */
export function isGlobalUnit(name: string, options: readonly UnitOption[]): boolean {
  const asked = options.some(
    (option) => option.section === fleetSection && spellings.get(option.name) === "Global",
  );
  return asked && requirementsOf(name, options).global;
}

/** Like requirementsOf, with warnings for people about what is ignored. */
export function readRequirements(name: string, options: readonly UnitOption[]): RequirementsReading {
  const warnings: string[] = [];
  const written = valuesBySpelling(options, warnings);
  const specifiers = specifiersOf(name);
  const expand = (value: string): string => expandSpecifiers(value, specifiers);
  const globSpecifiers = new Map([...specifiers].map(([key, value]) => [key, escapeGlob(value)]));
  const globs = (requirement: Requirement): readonly string[] =>
    listed(
      valuesOf(written, requirement).map((value) => expandSpecifiers(value, globSpecifiers)),
      requirement,
      warnings,
    );

  const machineOf = [...new Set(valuesOf(written, "MachineOf").map(expand).flatMap(words))];
  if (machineOf.includes(name)) warnings.push(`MachineOf names the unit itself: it can never be placed`);

  return {
    requirements: {
      machineId: machineIdOf(valuesOf(written, "MachineID").map(expand), warnings),
      machineOf,
      metadata: metadataOf(valuesOf(written, "MachineMetadata").map(expand), warnings),
      conflicts: globs("Conflicts"),
      replaces: globs("Replaces"),
      global: isTrue(valuesOf(written, "Global").map(expand), "Global", warnings),
      ...rescheduling(
        (requirement) => valuesOf(written, requirement).map(expand),
        machineOf.length > 0,
        warnings,
      ),
      ...exclusiveness(isTrue(valuesOf(written, "Exclusive").map(expand), "Exclusive", warnings), options),
    },
    warnings,
  };
}

function rescheduling(
  values: (requirement: Requirement) => readonly string[],
  following: boolean,
  warnings: string[],
): { readonly reschedule?: Rescheduling } {
  const burst = values("RescheduleLimitBurst").at(-1);
  const interval = values("RescheduleLimitIntervalSec").at(-1);
  if (!isTrue(values("RescheduleOnFailure"), "RescheduleOnFailure", warnings)) {
    if (burst !== undefined || interval !== undefined) {
      warnings.push("RescheduleLimitBurst and RescheduleLimitIntervalSec need RescheduleOnFailure=true");
    }
    return {};
  }
  if (following) {
    warnings.push(
      "RescheduleOnFailure has no effect beside MachineOf: the unit stays where the unit is that it follows",
    );
  }
  return { reschedule: readRescheduling(burst, interval, warnings) };
}

function valuesBySpelling(
  options: readonly UnitOption[],
  warnings: string[],
): ReadonlyMap<string, readonly string[]> {
  const written = new Map<string, string[]>();
  const unknown = new Set<string>();
  for (const option of options) {
    if (option.section !== fleetSection) continue;
    const values = unquote(trimSpace(joinContinuations(option.value)));
    const known = written.get(option.name);
    if (known !== undefined) for (const value of values) known.push(value);
    else if (spellings.has(option.name)) written.set(option.name, [...values]);
    else unknown.add(option.name);
  }
  for (const key of unknown) {
    warnings.push(`unrecognized requirement in [X-Fleet] section: ${JSON.stringify(key)}`);
  }
  return written;
}

function valuesOf(
  written: ReadonlyMap<string, readonly string[]>,
  requirement: Requirement,
): readonly string[] {
  return [...spellings]
    .filter(([, meaning]) => meaning === requirement)
    .flatMap(([spelling]) => written.get(spelling) ?? []);
}

/** A value that begins and ends with a quote is a list of quoted values; any other is one value. */
function unquote(value: string): readonly string[] {
  if (!value.startsWith('"') || !value.endsWith('"')) return [value];
  const values: string[] = [];
  let current = "";
  let quoted = false;
  for (const char of value) {
    if (char === '"') {
      quoted = !quoted;
    } else if (!quoted && (char === " " || char === "\t")) {
      values.push(current);
      current = "";
    } else {
      current += char;
    }
  }
  values.push(current);
  return values;
}

function listed(values: readonly string[], requirement: Requirement, warnings: string[]): readonly string[] {
  const globs = [...new Set(values.flatMap(words))];
  for (const glob of globs) {
    if (!isWellFormedGlob(glob)) {
      warnings.push(`${requirement} ${JSON.stringify(glob)} is not a valid pattern: it matches nothing`);
    }
  }
  return globs;
}

function machineIdOf(values: readonly string[], warnings: string[]): string | undefined {
  const [first, ...others] = values;
  if (first === "") warnings.push("MachineID is empty: no machine matches it");
  if (others.some((other) => other !== first)) {
    warnings.push(`MachineID is given several times: only ${JSON.stringify(first)} counts`);
  }
  return first;
}

function metadataOf(values: readonly string[], warnings: string[]): ReadonlyMap<string, readonly string[]> {
  const metadata = new Map<string, Set<string>>();
  for (const pair of values.flatMap(pairsOf)) {
    const [key = "", value = "", ...rest] = pair.split("=", 3).map(trimSpace);
    if (key === "" || value === "" || rest.length > 0) {
      warnings.push(`MachineMetadata ${JSON.stringify(pair)} is ignored: write it as key=value`);
      continue;
    }
    const accepted = metadata.get(key);
    if (accepted === undefined) metadata.set(key, new Set([value]));
    else accepted.add(value);
  }
  return new Map([...metadata].map(([key, accepted]) => [key, [...accepted]]));
}

/** `a=1 b=2` is two pairs; `a=one two` is one, whose value holds a blank. */
function pairsOf(value: string): readonly string[] {
  const parts = words(value);
  return parts.length > 1 && parts.every((part) => part.includes("=")) ? parts : [value];
}

function exclusiveness(
  exclusive: boolean,
  options: readonly UnitOption[],
): { readonly exclusive?: Exclusiveness } {
  if (!exclusive) return {};
  const bound = stopBound(options);
  return { exclusive: { stopMs: bound.kind === "bounded" ? bound.stopMs : unboundedStopMs } };
}

function isTrue(values: readonly string[], requirement: Requirement, warnings: string[]): boolean {
  const last = values.at(-1)?.toLowerCase();
  if (last === undefined) return false;
  if (truthy.has(last)) return true;
  if (!falsy.has(last))
    warnings.push(`${requirement} ${JSON.stringify(last)} is taken as false: write true or false`);
  return false;
}

function specifiersOf(text: string): ReadonlyMap<string, string> {
  const name = parseUnitName(text);
  if (!name.ok) return new Map();
  return new Map([
    ["n", text],
    ["N", text.slice(0, text.lastIndexOf("."))],
    ["p", name.value.prefix],
    ["i", name.value.instance ?? ""],
    ["%", "%"],
  ]);
}

/** One pass, so that what a name puts in is not expanded again. Unknown specifiers stay as written. */
function expandSpecifiers(value: string, specifiers: ReadonlyMap<string, string>): string {
  return value.replace(/%([nNpi%])/g, (written, letter: string) => specifiers.get(letter) ?? written);
}
