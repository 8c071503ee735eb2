import type { FleetClient } from "@fleet/api/client";
import type { Clock } from "@fleet/runtime";
import { findCommand } from "./cli/commands/commands.ts";
import { FlagValues, UsageError } from "./cli/flag.ts";
import { flagsFromEnvironment, globalFlags } from "./cli/global-flags.ts";
import { parseFlags, parseLeadingFlags, splitAtCommand } from "./cli/parse-flags.ts";
import { CommandFailure } from "./failure.ts";
import { codeOfSignal, signalOf } from "./interrupt.ts";
import type { Terminal } from "./live/terminal.ts";
import { loadVerb } from "./load-verb.ts";
import { paintFor } from "./output/colors.ts";

/** The process around a command line, as far as a command line sees it. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes to stdout. */
  readonly print: (text: string) => void;
  /** Writes a line to stderr. */
  readonly say: (line: string) => void;
  /** Passes on to stderr what a program that fleetctl runs writes there. */
  readonly relay: (bytes: Uint8Array) => void;
  readonly clock: Clock;
  /** Which streams somebody looks at. */
  readonly isTerminal: { readonly stdout: boolean; readonly stderr: boolean };
  /** Asks the user, and resolves to the line typed, empty without one; absent when nobody is there to ask. */
  readonly ask?: (question: string) => Promise<string>;
  /** Fires on Ctrl-C and on other signals that end a program; the reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Fires when nobody reads stdout any more. */
  readonly unread: AbortSignal;
  /** The terminal that stdout is; absent where it is none, or one that can only go forward. */
  readonly terminal?: () => Promise<Terminal>;
}

/** Exit codes. */
const FAILED = 1;
const USAGE = 2;

/** Runs one command line, without the program's name. Resolves to its exit code and never rejects. */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const client = new LazyClient(surroundings);
  let globals = new FlagValues(globalFlags, new Map());
  let helpful = "fleetctl help";
  try {
    const environment = flagsFromEnvironment(surroundings.environment);
    const { before, command: word, after } = splitAtCommand(args, globalFlags);
    const early = parseFlags(before, globalFlags);
    globals = new FlagValues(globalFlags, new Map([...environment, ...early.given]));
    if (globals.on("version")) return await (await import("./verbs/version.ts")).version(surroundings);
    if (word === undefined) {
      surroundings.print((await import("./verbs/help.ts")).globalHelp());
      return 0;
    }

    const command = findCommand(word);
    // What these two are asked for is other commands: their own help says no more of those.
    if (command.name !== "help" && command.name !== "man") helpful = `fleetctl help ${command.name}`;
    const known = [...command.flags, ...globalFlags];
    const late = command.runsRest === true ? parseLeadingFlags(after, known) : parseFlags(after, known);
    const flags = new FlagValues(known, new Map([...environment, ...early.given, ...late.given]));
    globals = flags;
    if (flags.on("help")) {
      surroundings.print((await import("./verbs/help.ts")).commandHelp(command.name));
      return 0;
    }
    if (flags.on("version")) return await (await import("./verbs/version.ts")).version(surroundings);
    const connect = (): Promise<FleetClient> => client.get(flags);
    const paint = paintFor(flags.text("color"), surroundings.environment, surroundings.isTerminal.stdout);
    const fail = (message: string, hints: readonly string[] = []): void =>
      sayFailure({ code: "failed", message, hints }, flags, surroundings);
    const verb = await loadVerb(command.name);
    return await verb({ ...surroundings, flags, args: late.positionals, paint, fail, connect });
  } catch (error) {
    // A command line that cannot be read may still say how its errors are to be told.
    const json = globals.on("json") || (error instanceof UsageError && args.some(asksForJson));
    const code = report(error, globals, surroundings, json);
    if (code === USAGE && !json) surroundings.say(`Run "${helpful}" for usage.`);
    return code;
  } finally {
    client.close();
  }
}

/** The client of one command line: made when first asked for, closed with the command. */
class LazyClient {
  readonly #surroundings: Surroundings;
  #client: Promise<FleetClient> | undefined;
  #made: FleetClient | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  get(flags: FlagValues): Promise<FleetClient> {
    this.#client ??= this.#make(flags);
    return this.#client;
  }

  close(): void {
    this.#made?.close();
  }

  async #make(flags: FlagValues): Promise<FleetClient> {
    refuseUnknownDriver(flags);
    const { connect } = await import("./connect.ts");
    this.#made = await connect(flags, this.#surroundings);
    return this.#made;
  }
}

function refuseUnknownDriver(flags: FlagValues): void {
  const driver = flags.text("driver").toLowerCase();
  if (driver !== "api" && driver !== "etcd")
    throw new CommandFailure(`Unrecognized driver: ${flags.text("driver")}`);
}

function asksForJson(arg: string): boolean {
  return /^--?json(?:=(?:1|t|true))?$/i.test(arg);
}

/** Says what went wrong; returns the exit code. */
function report(error: unknown, flags: FlagValues, surroundings: Surroundings, json: boolean): number {
  const { say, signal } = surroundings;
  if (signal.aborted) {
    say("Interrupted");
    return codeOfSignal(signalOf(signal));
  }
  const usage = error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  const hints = error instanceof CommandFailure || error instanceof UsageError ? error.hints : [];
  sayFailure({ code: usage ? "usage" : "failed", message, hints }, flags, surroundings, json);
  if (flags.on("debug") && error instanceof Error) sayStack(error, say);
  return usage ? USAGE : FAILED;
}

interface Failure {
  readonly code: "usage" | "failed";
  readonly message: string;
  readonly hints: readonly string[];
}

/** For people in red with the hints below it, for programs (--json) as one line of JSON. */
function sayFailure(
  failure: Failure,
  flags: FlagValues,
  surroundings: Surroundings,
  json = flags.on("json"),
): void {
  const { say, environment, isTerminal } = surroundings;
  if (json) {
    say(JSON.stringify({ error: failure }));
    return;
  }
  say(paintFor(flags.text("color"), environment, isTerminal.stderr)("failed", failure.message));
  for (const hint of failure.hints) say(`  ${hint}`);
}

function sayStack(error: Error, say: (line: string) => void): void {
  say(error.stack ?? error.message);
  if (error.cause instanceof Error) sayStack(error.cause, say);
}
