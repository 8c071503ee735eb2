import type { ArgumentKind, Command } from "../cli/commands/command.ts";
import { findCommand } from "../cli/commands/commands.ts";
import { type Flag, FlagValues } from "../cli/flag.ts";
import { globalFlags } from "../cli/global-flags.ts";
import { parseFlags, splitAtCommand } from "../cli/parse-flags.ts";

/** What can stand where the cursor is. */
export interface CompletionPoint {
  readonly wants:
    | { readonly kind: "flag"; readonly flags: readonly Flag[] }
    | { readonly kind: "value"; readonly flag: Flag }
    | { readonly kind: "command" }
    | { readonly kind: "argument"; readonly takes: readonly ArgumentKind[] };
  /** The word so far. */
  readonly word: string;
  /** What the word has before the part that is completed: `--machine=`, `0acd,`. */
  readonly kept: string;
  /** Arguments that stand there already. */
  readonly given: readonly string[];
  /** The text of each flag that stands there already. */
  readonly flags: ReadonlyMap<string, string>;
}

/**
 * Reads a command line up to the cursor; its last word is the one to complete, empty at the beginning of a new one.
 * Throws UsageError and CommandFailure for one that fleetctl would refuse.
 */
export function completionPoint(line: readonly string[]): CompletionPoint {
  const word = line.at(-1) ?? "";
  const words = line.slice(0, -1);
  const { before, command: name, after } = splitAtCommand(words, globalFlags);
  const command = name === undefined ? undefined : findCommand(name);
  const known = [...(command?.flags ?? []), ...globalFlags];
  const shown = known.filter((flag) => flag.hidden !== true);
  const open = words.includes("--") ? undefined : openFlag(words.at(-1), known);
  // The flag before the cursor waits for its value: without it the rest of the line can be read.
  const read = (part: readonly string[], flags: readonly Flag[]) =>
    parseFlags(open !== undefined && part.at(-1) === words.at(-1) ? part.slice(0, -1) : part, flags);
  const early = read(before, globalFlags);
  const late = read(after, known);
  const flags = new Map([...early.given, ...late.given]);
  // Throws for a value that does not fit.
  new FlagValues(known, flags);
  const common = { word, given: late.positionals, flags };

  if (open !== undefined)
    return { ...common, wants: { kind: "value", flag: open }, kept: listKept("", word) };
  if (word.startsWith("-") && !words.includes("--")) {
    const equals = word.indexOf("=");
    if (equals === -1) return { ...common, wants: { kind: "flag", flags: shown }, kept: "" };
    const flag = openFlag(word.slice(0, equals), known);
    if (flag === undefined) return { ...common, wants: { kind: "flag", flags: [] }, kept: "" };
    const prefix = word.slice(0, equals + 1);
    return { ...common, wants: { kind: "value", flag }, kept: listKept(prefix, word.slice(equals + 1)) };
  }
  if (command === undefined) return { ...common, wants: { kind: "command" }, kept: "" };
  return { ...common, wants: { kind: "argument", takes: takesNext(command, late.positionals) }, kept: "" };
}

/** The flag that a word names and that needs a value. */
function openFlag(word: string | undefined, flags: readonly Flag[]): Flag | undefined {
  const name = /^--?([^=]+)$/.exec(word ?? "")?.[1];
  if (name === undefined) return undefined;
  return flags.find((flag) => flag.kind !== "switch" && (flag.name === name || flag.short === name));
}

/** Of a list the last entry is completed. */
function listKept(prefix: string, value: string): string {
  return prefix + value.slice(0, value.lastIndexOf(",") + 1);
}

function takesNext(command: Command, given: readonly string[]): readonly ArgumentKind[] {
  const takesOne = command.runsRest === true || !command.usage.includes("...");
  return takesOne && given.length > 0 ? [] : (command.takes ?? []);
}
