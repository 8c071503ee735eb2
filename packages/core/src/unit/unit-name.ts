import { no, ok, type Result } from "../result.ts";

/** A valid unit name and its parts. */
export interface UnitName {
  /** The full name, e.g. `apache@8080.service` (`%n`). */
  readonly name: string;
  /** Before the first `@`, or before the suffix (`%p`). */
  readonly prefix: string;
  /** Between `@` and suffix (`%i`); undefined without an `@`, and for a template. */
  readonly instance: string | undefined;
  /** The type, without its dot. */
  readonly suffix: string;
  /** `prefix@.suffix`: may be submitted, never loaded or started. */
  readonly isTemplate: boolean;
  /** Of an instance: the name of its template. */
  readonly template: string | undefined;
}

const longestName = 256;
const instantiable: ReadonlySet<string> = new Set(["path", "service", "socket", "target", "timer"]);
const singular: ReadonlySet<string> = new Set([
  "automount",
  "busname",
  "device",
  "mount",
  "scope",
  "slice",
  "snapshot",
  "swap",
]);

/** Reads a unit name; the problem is fleet's message. */
export function parseUnitName(text: string): Result<UnitName, string> {
  if (text === "") return no("unit name cannot be empty");
  if (text.length > longestName) return no(`unit name exceeds maximum length (${longestName})`);
  const dot = text.lastIndexOf(".");
  if (dot === -1) return no('unit name must contain "."');
  if (dot === text.length - 1) return no('unit name cannot end in "."');
  if (text.startsWith("@")) return no('unit name cannot start in "@"');
  if (dot === 0) return no('unit name cannot start with its "." suffix');

  const stem = text.slice(0, dot);
  const suffix = text.slice(dot + 1);
  const invalid = /[^A-Za-z0-9:_.@\-\\]/u.exec(stem);
  if (invalid !== null) return no(`invalid character ${JSON.stringify(invalid[0])} in unit name`);
  const at = stem.indexOf("@");
  if (!instantiable.has(suffix)) {
    if (!singular.has(suffix)) return no(`invalid unit type: ${JSON.stringify(suffix)}`);
    if (at !== -1) return no(`invalid unit type: ${JSON.stringify(suffix)} cannot be used with "@"`);
  }
  return ok(partsOf(text, stem, suffix, at));
}

function partsOf(name: string, stem: string, suffix: string, at: number): UnitName {
  if (at === -1) {
    return { name, prefix: stem, instance: undefined, suffix, isTemplate: false, template: undefined };
  }
  const prefix = stem.slice(0, at);
  const instance = stem.slice(at + 1);
  if (instance === "") {
    return { name, prefix, instance: undefined, suffix, isTemplate: true, template: undefined };
  }
  return { name, prefix, instance, suffix, isTemplate: false, template: `${prefix}@.${suffix}` };
}
