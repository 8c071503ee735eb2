import { CommandFailure } from "../failure.ts";

/** The states of systemd's units, by what `systemctl --state=help` calls load, active and sub states. */
const systemdStates: Readonly<Record<string, readonly string[]>> = {
  load: ["stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"],
  active: [
    ...["active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance"],
    "refreshing",
  ],
  sub: [
    ...["dead", "condition", "start-pre", "start", "start-post", "running", "exited", "reload"],
    ...["reload-signal", "reload-notify", "refresh-extensions", "refresh-credentials", "stop"],
    ...["stop-watchdog", "stop-sigterm", "stop-sigkill", "stop-post", "final-watchdog", "final-sigterm"],
    ...["final-sigkill", "failed", "dead-before-auto-restart", "failed-before-auto-restart"],
    ...["dead-resources-pinned", "auto-restart", "auto-restart-queued", "cleaning"],
    // Of sockets, timers and paths, devices and mounts.
    ...["start-open", "start-chown", "listening", "stop-pre", "stop-pre-sigterm", "stop-pre-sigkill"],
    ...["waiting", "elapsed", "tentative", "plugged", "mounting", "mounting-done", "mounted"],
    ...["remounting", "unmounting", "remounting-sigterm", "remounting-sigkill", "unmounting-sigterm"],
    ...["unmounting-sigkill", "deferred", "activating", "deactivating", "active"],
  ],
};

const targetStates = ["inactive", "loaded", "launched"];

/**
 * The states of --state, comma-separated, among those of systemd. `seen` are states that rows have: a later
 * systemd knows more than are listed here. Throws CommandFailure for an unknown one.
 */
export function systemdStatesOf(list: string, seen: Iterable<string>): ReadonlySet<string> {
  const known = new Set([...Object.values(systemdStates).flat(), ...seen]);
  const hints = Object.entries(systemdStates).map(([kind, states]) => `${kind}: ${states.join(", ")}`);
  return chosen(list, known, hints);
}

/** The same among the states that fleet has for a unit. */
export function targetStatesOf(list: string): ReadonlySet<string> {
  return chosen(list, new Set(targetStates), [`Known: ${targetStates.join(", ")}`]);
}

function chosen(list: string, known: ReadonlySet<string>, hints: readonly string[]): ReadonlySet<string> {
  const states = list.split(",").map((state) => state.trim());
  for (const state of states) {
    if (!known.has(state))
      throw new CommandFailure(`--state: unknown state ${JSON.stringify(state)}`, { hints });
  }
  return new Set(states);
}
