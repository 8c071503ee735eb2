import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { ClusterMachine } from "@fleet/lab";
import type { EventKind, Timeline } from "./timeline.ts";

const POLL_MS = 50;
/** Lines of one kind from one machine, this close together, are told as one. */
const BURST_MS = 1_000;

/** The events of fleetd's log that a timeline tells; the others are detail. */
const KINDS: ReadonlyMap<string, EventKind> = new Map([
  ["api_cache_stale", "detection"],
  ["campaign_failing", "detection"],
  ["cluster_frozen", "detection"],
  ["engine_disconnected", "detection"],
  ["exclusive_units_fenced", "detection"],
  ["exclusive_units_were_fenced", "detection"],
  ["leadership_lost", "detection"],
  ["losses_awaited", "detection"],
  ["machine_lost", "detection"],
  ["registration_refused", "detection"],
  ["systemd_disconnected", "detection"],
  ["engine_expects_machines_back", "decision"],
  ["exclusive_released", "decision"],
  ["exclusive_waits", "decision"],
  ["leadership_won", "decision"],
  ["machine_unsteady", "decision"],
  ["mass_loss_held", "decision"],
  ["reseed_begun", "decision"],
  ["reseed_finished", "decision"],
  ["unit_assigned", "decision"],
  ["unit_withdrawn", "decision"],
  ["leaving", "running"],
  ["machine_registered", "running"],
  ["unit_fenced", "running"],
  ["unit_started", "running"],
  ["unit_stopped", "running"],
  ["unit_unloaded", "running"],
  ["units_contributed", "running"],
]);

interface Burst {
  more: number;
  lastAtMs: number;
}

interface LoggedEvent {
  readonly machine: string;
  readonly event: string;
  readonly line: string;
  /** When it was read: some tens of milliseconds after it was written. */
  readonly atMs: number;
}

/**
 * Tells a timeline what the fleetds of a cluster log, and keeps all of it.
 *
 * On a full machine the log has no times of its own, so those are when a line was seen here.
 */
export class FleetdEvents {
  readonly #machines: () => readonly ClusterMachine[];
  readonly #timeline: Timeline;
  readonly #offsets = new Map<string, number>();
  readonly #bursts = new Map<string, Burst>();
  readonly #seen: LoggedEvent[] = [];
  readonly #timer: NodeJS.Timeout;

  /** Follows from now on, until stop(). */
  constructor(machines: () => readonly ClusterMachine[], timeline: Timeline) {
    this.#machines = machines;
    this.#timeline = timeline;
    for (const { fleetdLog } of machines()) {
      this.#offsets.set(fleetdLog, existsSync(fleetdLog) ? statSync(fleetdLog).size : 0);
    }
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  /** Everything logged since, of these events. */
  of(...events: readonly string[]): readonly LoggedEvent[] {
    return this.#seen.filter(({ event }) => events.includes(event));
  }

  /** How many lines a machine has logged since a moment. */
  countSince(machine: string, sinceMs: number): number {
    return this.#seen.filter((line) => line.machine === machine && line.atMs >= sinceMs).length;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#look();
    for (const key of [...this.#bursts.keys()]) this.#endBurst(key);
  }

  #look(): void {
    const atMs = Date.now();
    for (const { name, fleetdLog } of this.#machines()) {
      for (const line of this.#newLines(fleetdLog)) this.#take(name, line, atMs);
    }
    for (const [key, { lastAtMs }] of [...this.#bursts]) {
      if (atMs - lastAtMs > BURST_MS) this.#endBurst(key);
    }
  }

  #take(machine: string, line: string, atMs: number): void {
    const [, text = ""] = /^(?:\S+Z \w+ )?(.*)$/.exec(line) ?? [];
    const [event = ""] = text.split(" ");
    this.#seen.push({ machine, event, line: text, atMs });
    const kind = KINDS.get(event);
    if (kind === undefined) return;
    const key = `${machine} ${event}`;
    const burst = this.#bursts.get(key);
    if (burst === undefined) {
      this.#bursts.set(key, { more: 0, lastAtMs: atMs });
      this.#timeline.event(kind, `${machine}: ${text}`, atMs);
    } else {
      burst.more += 1;
      burst.lastAtMs = atMs;
    }
  }

  #endBurst(key: string): void {
    const burst = this.#bursts.get(key);
    this.#bursts.delete(key);
    if (burst === undefined || burst.more === 0) return;
    const [machine = "", event = ""] = key.split(" ");
    const kind = KINDS.get(event) ?? "note";
    this.#timeline.event(kind, `${machine}: ${event}, ${burst.more} more`, burst.lastAtMs);
  }

  #newLines(path: string): readonly string[] {
    if (!existsSync(path)) return [];
    const file = openSync(path, "r");
    try {
      const from = this.#offsets.get(path) ?? 0;
      const buffer = Buffer.alloc(Math.max(0, fstatSync(file).size - from));
      readSync(file, buffer, 0, buffer.length, from);
      // What has no end yet is read with the next look.
      const whole = buffer.lastIndexOf("\n") + 1;
      this.#offsets.set(path, from + whole);
      return buffer.subarray(0, whole).toString("utf8").split("\n").slice(0, -1);
    } finally {
      closeSync(file);
    }
  }
}
