import type { SystemdSession } from "./systemd-session.ts";

/**
 * Stops a unit that systemd lets nobody stop by hand (`RefuseManualStop=`): another unit that conflicts with it is started,
 * which may stop it. That unit is ordered after it, so that its start has ended when ExecStop has, and then it is gone.
 * `by`: name for it, without suffix, that no other unit has. Resolves with the result of its job.
 */
export function stopByConflict(
  session: SystemdSession,
  name: string,
  by: string,
  signal: AbortSignal,
): Promise<string> {
  return session.runTransient(
    `${by}.service`,
    [
      ["Description", ["s", `fleet: stops ${name}, which refuses to be stopped by hand`]],
      ["DefaultDependencies", ["b", false]],
      ["CollectMode", ["s", "inactive-or-failed"]],
      ["Type", ["s", "oneshot"]],
      ["Conflicts", ["as", [name]]],
      ["After", ["as", [name]]],
      ["ExecStart", ["a(sasb)", [["/bin/sh", ["sh", "-c", ":"], false]]]],
    ],
    signal,
  );
}
