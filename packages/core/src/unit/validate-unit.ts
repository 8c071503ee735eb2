import { matchGlob } from "./glob.ts";
import type { Requirements } from "./requirements.ts";
import { stopBound } from "./stop-bound.ts";
import { groupBySection, parseUnitFile, serializeUnitFile } from "./unit-file.ts";
import { parseUnitName } from "./unit-name.ts";
import type { UnitOption } from "./unit-option.ts";
import { utf8Length } from "./whitespace.ts";
import { fleetSection, readRequirements } from "./x-fleet.ts";

/** etcd refuses requests over 1.5 MiB; a unit and what is written with it must stay below. */
export const unitFileBytes = 1024 * 1024;

/**
 * Matching costs the product of the lengths of globs and names, and the engine does it for every unit: this
 * bounds what one unit can cost everybody. Far above what anyone writes by hand.
 */
const fleetSectionCharacters = 16 * 1024;

const fleetSectionTooLong = `the [X-Fleet] section is longer than ${fleetSectionCharacters} characters`;

export interface UnitVerdict {
  /** Why the unit is refused, fleet's wording where it has one; empty when it is accepted. */
  readonly problems: readonly string[];
  /** What is accepted and probably not meant. */
  readonly warnings: readonly string[];
}

/** Judges a unit as it is submitted, the same for a new unit and for new content of an old one. */
export function validateUnit(name: string, options: readonly UnitOption[]): UnitVerdict {
  const parsedName = parseUnitName(name);
  const problems = [...(parsedName.ok ? [] : [parsedName.problem]), ...fileProblems(options)];
  if (problems.length > 0) return { problems, warnings: [] };

  const { requirements, warnings } = readRequirements(name, options);
  return {
    problems: [...requirementProblems(requirements), ...exclusiveProblems(requirements, options)],
    warnings: [...warnings, ...exclusiveWarnings(requirements, options), ...lineWarnings(options)],
  };
}

/** What keeps anybody from telling when a unit of a lost machine has ended. */
function exclusiveProblems(requirements: Requirements, options: readonly UnitOption[]): readonly string[] {
  if (requirements.exclusive === undefined) return [];
  const problems = requirements.global ? ["Global cannot be used with Exclusive"] : [];
  const bound = stopBound(options);
  if (bound.kind === "bounded") return problems;
  const { kind, setting, value } = bound;
  const why = kind === "unbounded" ? "lets a stop take for ever" : "is no time span that systemd reads";
  const advice = "give a finite time, such as 90s, after which systemd kills it";
  return [
    ...problems,
    `Exclusive cannot be used with ${setting}=${value.slice(0, 80)}, which ${why}: ${advice}`,
  ];
}

/** systemd counts the unit as ended and leaves processes of it behind. */
function exclusiveWarnings(requirements: Requirements, options: readonly UnitOption[]): readonly string[] {
  if (requirements.exclusive === undefined) return [];
  return options.flatMap(({ section, name, value }) =>
    (name === "KillMode" && (value === "none" || value === "process")) ||
    (name === "SendSIGKILL" && /^(?:no|n|false|f|0|off)$/i.test(value))
      ? [`[${section}] ${name}=${value} may leave processes of an exclusive unit running after its stop`]
      : [],
  );
}

/** Combinations that no machine could ever satisfy, or whose meaning nobody could tell. */
function requirementProblems(requirements: Requirements): readonly string[] {
  if (requirementCharacters(requirements) > fleetSectionCharacters) return [fleetSectionTooLong];
  const problems = [
    ...unresolvable(requirements.machineOf, "conflict", requirements.conflicts),
    ...unresolvable(requirements.machineOf, "replace", requirements.replaces),
  ];

  const pinned = requirements.machineId !== undefined;
  const following = requirements.machineOf.length > 0;
  const conflicting = requirements.conflicts.length > 0;
  const replacing = requirements.replaces.length > 0;
  const { global } = requirements;
  if (pinned && following) problems.push("MachineID cannot be used with Peers (MachineOf)");
  if (pinned && conflicting) problems.push("MachineID cannot be used with Conflicts");
  if (pinned && global) problems.push("MachineID cannot be used with Global");
  if (pinned && replacing) problems.push("MachineID cannot be used with Replaces");
  const rescheduled = requirements.reschedule !== undefined;
  if (global && rescheduled) problems.push("Global cannot be used with RescheduleOnFailure");
  if (pinned && rescheduled) problems.push("MachineID cannot be used with RescheduleOnFailure");
  if (global && following) problems.push("Global cannot be used with Peers (MachineOf)");
  if (global && replacing) problems.push("Global cannot be used with Replaces");
  if (conflicting && replacing) problems.push("Conflicts cannot be used with Replaces");
  return problems;
}

/** The first pair only: of long lists there could be millions. */
function unresolvable(
  peers: readonly string[],
  kind: "conflict" | "replace",
  globs: readonly string[],
): readonly string[] {
  for (const peer of peers) {
    const glob = globs.find((pattern) => matchGlob(pattern, peer));
    if (glob === undefined) continue;
    return [
      `unresolvable requirements: peer ${JSON.stringify(peer)} matches ${kind} ${JSON.stringify(glob)}`,
    ];
  }
  return [];
}

function fileProblems(options: readonly UnitOption[]): readonly string[] {
  const text = serializeUnitFile(options);
  const bytes = utf8Length(text);
  if (bytes > unitFileBytes) return [`the unit file is ${bytes} bytes long: the limit is ${unitFileBytes}`];
  let characters = 0;
  for (const option of options) if (option.section === fleetSection) characters += option.value.length;
  if (characters > fleetSectionCharacters) return [fleetSectionTooLong];
  return textProblems(options, text);
}

/** systemd is given the serialised text: it must say what the options say. */
function textProblems(options: readonly UnitOption[], text: string): readonly string[] {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) return [`the options cannot be written as a unit file: ${parsed.problem.message}`];
  const expected = groupBySection(options);
  for (let at = 0; at < Math.max(expected.length, parsed.value.length); at++) {
    const want = expected[at];
    const got = parsed.value[at];
    if (want?.section === got?.section && want?.name === got?.name && want?.value === got?.value) continue;
    const option = want ?? got;
    const shown = option === undefined ? "" : `[${option.section}] ${option.name}`.slice(0, 80);
    return [
      `option ${JSON.stringify(shown)} does not read back as given: section, name and value must be trimmed and on ` +
        "one line each (a value may go on after a backslash at the end of a line)",
    ];
  }
  return [];
}

/** Specifiers can blow short values up: what counts is the expanded text. */
function requirementCharacters(requirements: Requirements): number {
  let characters = 0;
  for (const text of [...requirements.machineOf, ...requirements.conflicts, ...requirements.replaces]) {
    characters += text.length;
  }
  return characters;
}

/** Where systemd sees other lines than fleet, whose reading the hash and [X-Fleet] follow. */
function lineWarnings(options: readonly UnitOption[]): readonly string[] {
  return options.flatMap(({ section, name, value }) => [
    ...(/[\r\0]/.test(value)
      ? [`[${section}] ${name} holds a carriage return or NUL: systemd ends the line there`]
      : []),
    ...(/(?<!\\)(?:\\\\)+\n/.test(value)
      ? [
          `[${section}] ${name} has a line that ends in an even number of backslashes: systemd does not continue it`,
        ]
      : []),
  ]);
}
