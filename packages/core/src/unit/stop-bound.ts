import { parseTimeSpan } from "./time-span.ts";
import { joinContinuations } from "./unit-file.ts";
import type { UnitOption } from "./unit-option.ts";
import { trimSpace } from "./whitespace.ts";

/** systemd's DefaultTimeoutStopSec= as it is shipped; a machine's own is not known to the cluster. */
export const defaultTimeoutStopMs = 90_000;

/** Sections that have the setting. A unit of another kind is stopped at once. */
const sections: ReadonlySet<string> = new Set(["Service", "Socket", "Mount", "Swap", "Scope"]);
const timeouts: ReadonlySet<string> = new Set(["TimeoutStopSec", "TimeoutSec"]);
const stopCommands: ReadonlySet<string> = new Set(["ExecStop", "ExecStopPre"]);
const postCommands: ReadonlySet<string> = new Set(["ExecStopPost"]);
const counted: ReadonlySet<string> = new Set([
  ...timeouts,
  ...stopCommands,
  ...postCommands,
  "TimeoutAbortSec",
  "TimeoutStopFailureMode",
]);

/** How long stopping a unit may take, or why nobody can tell. */
export type StopBound =
  | { readonly kind: "bounded"; readonly stopMs: number }
  | { readonly kind: "unbounded"; readonly setting: string; readonly value: string }
  | { readonly kind: "unreadable"; readonly setting: string; readonly value: string };

/** Whether the bound depends on this option. */
export function boundsStop({ section, name }: UnitOption): boolean {
  return sections.has(section) && counted.has(name);
}

/**
 * The time within which systemd has ended the unit once it is told to stop it. Each command of ExecStop= and
 * ExecStopPost= has the timeout to itself, and so have what is left of the unit after SIGTERM, twice when there
 * is an ExecStopPost=. After SIGKILL a process is gone, save for one the kernel cannot kill.
 */
export function stopBound(options: readonly UnitOption[]): StopBound {
  let timeoutMs = defaultTimeoutStopMs;
  let abortMs = 0;
  let aborts = false;
  const commands = { stop: 0, post: 0 };
  for (const option of options) {
    if (!boundsStop(option)) continue;
    const { name } = option;
    const value = trimSpace(joinContinuations(option.value));
    if (stopCommands.has(name)) commands.stop = value === "" ? 0 : commands.stop + 1;
    else if (postCommands.has(name)) commands.post = value === "" ? 0 : commands.post + 1;
    else if (name === "TimeoutStopFailureMode") aborts = value === "abort";
    else {
      const ms = parseTimeSpan(value);
      if (ms === undefined) return { kind: "unreadable", setting: name, value };
      // 0 turns the timeout off.
      if (ms === 0 || ms === Number.POSITIVE_INFINITY) return { kind: "unbounded", setting: name, value };
      if (timeouts.has(name)) timeoutMs = ms;
      else abortMs = ms;
    }
  }
  const kills = (commands.post > 0 ? 2 : 1) * (aborts ? 2 : 1);
  const slotMs = aborts ? Math.max(timeoutMs, abortMs) : timeoutMs;
  return { kind: "bounded", stopMs: Math.ceil(slotMs * (commands.stop + commands.post + kills)) };
}
