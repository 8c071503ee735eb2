import type { LabCluster, ServiceEvent } from "../e2e/lab-cluster.ts";
import { serviceText } from "../e2e/lab-cluster.ts";

/** Says every 50 ms that it runs, and when it starts, and its ExecStop begins and has completed. */
export function exclusiveText(lab: LabCluster): string {
  const beat = `while :; do ${lab.note("runs")}; sleep 0.05; done`;
  const stop = [lab.note("stopping"), "sleep 0.3", lab.note("stopped")].join("; ");
  return serviceText({
    service: [
      `ExecStart=/bin/sh -c '${lab.note("start")}; ${beat}'`,
      `ExecStop=/bin/sh -c '${stop}'`,
      "TimeoutStopSec=3",
    ],
    xFleet: ["Exclusive=true"],
  });
}

/**
 * What contradicts, in a unit's own notes, that it runs on one machine at a time, and that its ExecStop has completed
 * whenever it went. Empty when nothing does.
 */
export function overlapsOf(events: readonly ServiceEvent[]): readonly string[] {
  const overlaps: string[] = [];
  let at: string | undefined;
  let over = true;
  for (const { machine, what, atMs } of events) {
    if (what === "start") {
      if (!over) overlaps.push(`it starts on ${machine} at ${atMs} while it runs on ${at}`);
      at = machine;
      over = false;
    } else {
      // Its main process may say once more that it runs before systemd, after ExecStop, ends it.
      if (at !== machine) overlaps.push(`"${what}" on ${machine} at ${atMs}, where it does not run`);
      if (what === "stopped") over = true;
    }
  }
  return overlaps;
}
