import { parse } from "ini";
import { z } from "zod";
import { FleetError } from "./errors.ts";

/** A configuration file that has been read. */
export interface ConfigFile {
  /** As the operator wrote it: it stands in every message about the file. */
  readonly path: string;
  readonly text: string;
}

export interface ConfigSources {
  readonly file: ConfigFile | undefined;
  /** Variables `<prefix><OPTION>` override the file. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly environmentPrefix: string;
}

export interface ReadConfig<Options> {
  readonly options: Options;
  /** Names of the options that the file or the environment sets to something. */
  readonly given: ReadonlySet<string>;
  /** What was ignored, in sentences for the operator. */
  readonly warnings: readonly string[];
}

/** The configuration cannot be used. `problems` holds one sentence per option. */
export class ConfigError extends FleetError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], cause?: unknown) {
    super("config_invalid", problems.join("; "), { cause });
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * One option: how its text is read, and in words what is accepted. `read` returns undefined for what it does
 * not accept.
 */
export function configOption<T>(accepted: string, read: (text: string) => T | undefined) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", message: `expected ${accepted}`, input: text });
    return z.NEVER;
  });
}

/** The options of a program by name. */
export function configSchema<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.object(shape);
}

interface Setting {
  readonly value: string;
  /** Where it was set, for messages. */
  readonly origin: string;
}

/**
 * Reads the options that `schema` names: its keys are the options, and each takes a string (or its default).
 * An option set to nothing has its default. Throws ConfigError naming, for every option that is not accepted,
 * where it was set, its value, and what is accepted.
 */
export function readConfig<Schema extends z.ZodObject>(
  schema: Schema,
  sources: ConfigSources,
): ReadConfig<z.output<Schema>> {
  const known = new Set(Object.keys(schema.shape));
  const warnings: string[] = [];
  const settings = new Map<string, Setting>();
  if (sources.file !== undefined) readFileSettings(sources.file, known, settings, warnings);
  readEnvironmentSettings(sources, known, settings, warnings);

  const given = new Map([...settings].filter(([, setting]) => setting.value !== ""));
  const parsed = schema.safeParse(Object.fromEntries([...given].map(([name, { value }]) => [name, value])));
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => problemOf(issue, given)));
  }
  return { options: parsed.data, given: new Set(given.keys()), warnings };
}

function readFileSettings(
  file: ConfigFile,
  known: ReadonlySet<string>,
  settings: Map<string, Setting>,
  warnings: string[],
): void {
  const values: Record<string, unknown> = parse(file.text);
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === "object" && value !== null) {
      warnings.push(`section [${key}] in ${file.path} is ignored: options stand outside of sections`);
    } else if (known.has(key)) {
      settings.set(key, { value: unquoted(String(value)), origin: `from ${file.path}` });
    } else {
      warnings.push(`unknown option ${key} in ${file.path} is ignored${suggestion(key, known)}`);
    }
  }
}

function readEnvironmentSettings(
  { environment, environmentPrefix: prefix }: ConfigSources,
  known: ReadonlySet<string>,
  settings: Map<string, Setting>,
  warnings: string[],
): void {
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || !variable.startsWith(prefix)) continue;
    const key = variable.slice(prefix.length).toLowerCase();
    if (known.has(key) && variable === prefix + key.toUpperCase()) {
      settings.set(key, {
        value: unquoted(value.trim()),
        origin: `from the environment variable ${variable}`,
      });
    } else {
      warnings.push(`unknown environment variable ${variable} is ignored`);
    }
  }
}

// Cloud configurations spell the options with dashes.
function suggestion(key: string, known: ReadonlySet<string>): string {
  const respelled = key.trim().toLowerCase().replaceAll("-", "_");
  return known.has(respelled) ? `: did you mean ${respelled}?` : "";
}

/** A value with one pair of quotes around it and none inside: ini leaves them where a comment follows. */
function unquoted(text: string): string {
  return /^(["'])(?:(?!\1).)*\1$/s.test(text) ? text.slice(1, -1).trim() : text;
}

function problemOf(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Setting>): string {
  const option = String(issue.path[0] ?? "configuration");
  const setting = given.get(option);
  if (setting === undefined) return `${option}: ${issue.message}`;
  return `${option} (${setting.origin}): ${JSON.stringify(withoutCredentials(setting.value))} is not accepted: ${issue.message}`;
}

// A message ends up in the journal, which more people read than the configuration.
function withoutCredentials(value: string): string {
  return value.replaceAll(/\/\/[^/@,\s]*@/g, "//…@");
}
