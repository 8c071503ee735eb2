import { parseArgs } from "node:util";
import { didYouMean } from "./did-you-mean.ts";
import { type Flag, UsageError } from "./flag.ts";

export interface ParsedArguments {
  /** Flag name to the text given; a repeated flag keeps its last value. */
  readonly given: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
}

/**
 * Reads arguments the way fleet's clients were called over the years: flags before, between and after the
 * names (`--flag=value`, `--flag value`, `-l`), `--` ends them, and one dash is enough for a long name.
 * Throws UsageError.
 */
export function parseFlags(args: readonly string[], flags: readonly Flag[]): ParsedArguments {
  const byName = new Map(flags.map((flag) => [flag.name, flag]));
  const given = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokenize(args, flags)) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const flag = byName.get(token.name);
    if (flag === undefined) throw unknownFlag(token.rawName, flags);
    if (flag.kind !== "switch" && token.value === undefined) {
      throw new UsageError(`flag needs an argument: ${token.rawName}`);
    }
    given.set(flag.name, token.value ?? "true");
  }
  return { given, positionals };
}

function unknownFlag(name: string, flags: readonly Flag[]): UsageError {
  const shown = flags.filter((flag) => flag.hidden !== true).map((flag) => `--${flag.name}`);
  return new UsageError(`unknown flag: ${name}`, didYouMean(name, shown));
}

/** Reads only the flags before the first word that is none: from there on everything is words. Throws UsageError. */
export function parseLeadingFlags(args: readonly string[], flags: readonly Flag[]): ParsedArguments {
  const { before, command, after } = splitAtCommand(args, flags);
  return {
    given: parseFlags(before, flags).given,
    positionals: command === undefined ? [] : [command, ...after],
  };
}

export interface SplitCommandLine {
  readonly before: readonly string[];
  readonly command: string | undefined;
  readonly after: readonly string[];
}

/** Splits a command line at its command: what comes before it can only be global flags. */
export function splitAtCommand(args: readonly string[], globals: readonly Flag[]): SplitCommandLine {
  const first = tokenize(args, globals).find((token) => token.kind === "positional");
  if (first === undefined) return { before: args, command: undefined, after: [] };
  return {
    before: args.slice(0, first.index),
    command: args[first.index],
    after: args.slice(first.index + 1),
  };
}

function tokenize(args: readonly string[], flags: readonly Flag[]) {
  const terminator = args.indexOf("--");
  const end = terminator === -1 ? args.length : terminator;
  return parseArgs({
    args: args.map((arg, index) =>
      index < end && !takesNext(args[index - 1], flags) ? inTwoDashes(arg, flags) : arg,
    ),
    options: Object.fromEntries(
      flags.map((flag) => [
        flag.name,
        {
          type: flag.kind === "switch" ? ("boolean" as const) : ("string" as const),
          ...(flag.short === undefined ? {} : { short: flag.short }),
        },
      ]),
    ),
    allowPositionals: true,
    // Node's strict mode refuses `--switch=false`, which Go accepts: the callers check instead.
    strict: false,
    tokens: true,
  }).tokens;
}

/** Whether what follows an argument is its value: `--sort -unit` sorts by `-unit`, and is no flag `--unit`. */
function takesNext(arg: string | undefined, flags: readonly Flag[]): boolean {
  const name = /^--?([^-=][^=]*)$/.exec(arg ?? "")?.[1];
  const flag = flags.find((each) => each.name === name || (each.short !== undefined && each.short === name));
  return flag !== undefined && flag.kind !== "switch";
}

/** `-endpoint=x` and `-l=true` as Go's flag package took them; clusters of letters (`-lf`) stay as they are. */
function inTwoDashes(arg: string, flags: readonly Flag[]): string {
  const [, name, value = ""] = /^-([^-=][^=]*)(=.*)?$/s.exec(arg) ?? [];
  if (name === undefined) return arg;
  const flag = flags.find((each) => each.name === name || (value !== "" && each.short === name));
  return flag === undefined ? arg : `--${flag.name}${value}`;
}
