import { parseUnitFile } from "@fleet/core";

/**
 * How a unit of the simulated systemd behaves. Derived from its unit file, so that one file drives the
 * simulated and the real systemd alike; a test may override any part of it.
 */
export interface FakeUnitBehaviour {
  /** LoadState: `loaded`, or what systemd makes of a file it cannot use. */
  readonly load: "loaded" | "bad-setting";
  /** After=: a start waits while one of these is activating. */
  readonly after: readonly string[];
  /** How long ExecStartPre keeps the unit activating (start-pre). */
  readonly startPreMs: number;
  /** The main process ends by itself after this time; Infinity: it runs until it is stopped. */
  readonly runMs: number;
  /** How long ExecStop takes; the unit is deactivating meanwhile. */
  readonly stopMs: number;
  /** Type=oneshot: activating, not active, while the main process runs. */
  readonly oneshot: boolean;
  /** RemainAfterExit: active (exited) once the main process has ended. */
  readonly remainAfterExit: boolean;
  /** What becomes of the main process when it ends by itself. */
  readonly fails: boolean;
  /** SubState while active. */
  readonly activeSub: string;
  /** StartLimitBurst=: this many starts, then one fails without anything having run, until the failure is reset. */
  readonly startLimit: number;
  /** EnableUnitFiles answers with an error. */
  readonly refusesEnable: boolean;
}

/** SubState of an active unit, by type, where it is not the `running` of a service. */
const activeSubs: ReadonlyMap<string, string> = new Map([
  ["timer", "waiting"],
  ["path", "waiting"],
  ["automount", "waiting"],
  ["socket", "listening"],
  ["mount", "mounted"],
  ["target", "active"],
  ["slice", "active"],
  ["swap", "active"],
  ["device", "plugged"],
]);

/**
 * Reads the behaviour off a unit file. A command's duration is the sum of its `sleep N` words; a main command
 * with `false` or `exit 1` in it fails; without a sleep it runs for ever, unless the unit is a oneshot.
 */
export function behaviourOf(name: string, text: string): FakeUnitBehaviour {
  const suffix = name.slice(name.lastIndexOf(".") + 1);
  const isService = suffix === "service";
  const parsed = parseUnitFile(text);
  const options = parsed.ok ? parsed.value : [];
  const values = (name: string): readonly string[] =>
    options.filter((option) => option.name === name).map((option) => option.value);
  const oneshot = values("Type").at(-1) === "oneshot";
  const main = values("ExecStart");
  return {
    load: isService && main.length === 0 ? "bad-setting" : "loaded",
    after: values("After").flatMap((names) => names.split(" ")),
    startPreMs: total(values("ExecStartPre").map(sleepMs)),
    runMs: isService ? mainDurationMs(main, oneshot) : Number.POSITIVE_INFINITY,
    stopMs: total(values("ExecStop").map(sleepMs)),
    oneshot,
    remainAfterExit: /^(yes|true|on|1)$/i.test(values("RemainAfterExit").at(-1) ?? ""),
    fails: main.some(failsItself),
    startLimit: Number(values("StartLimitBurst").at(-1) ?? Number.POSITIVE_INFINITY),
    activeSub: activeSubs.get(suffix) ?? "running",
    // systemd refuses an alias of another type.
    refusesEnable: values("Alias").some((alias) => !alias.endsWith(`.${suffix}`)),
  };
}

function mainDurationMs(commands: readonly string[], oneshot: boolean): number {
  if (commands.some((command) => /\bsleep\s+inf/.test(command))) return Number.POSITIVE_INFINITY;
  const ms = total(commands.map(sleepMs));
  return ms > 0 ||
    oneshot ||
    commands.some(failsItself) ||
    commands.some((command) => /\/true\b/.test(command))
    ? ms
    : Number.POSITIVE_INFINITY;
}

function sleepMs(command: string): number {
  return total(
    Array.from(command.matchAll(/\bsleep\s+(\d+(?:\.\d+)?)/g), (match) => Number(match[1]) * 1000),
  );
}

function failsItself(command: string): boolean {
  return /\/false\b|\bexit [1-9]/.test(command);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
