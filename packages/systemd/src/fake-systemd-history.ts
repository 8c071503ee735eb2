import type { Clock } from "@fleet/runtime";

/** What happened on the machine, in order. */
export type FakeSystemdEventKind =
  | "written"
  | "removed"
  | "start-queued"
  | "restart-queued"
  /** The main process runs. */
  | "started"
  /** The main process ended by itself, successfully. */
  | "finished"
  | "failed"
  | "stop-queued"
  /** ExecStop has completed. */
  | "stopped"
  /** Stopped before the main process was running: systemd runs no ExecStop then. */
  | "start-cancelled"
  /** Was not inactive when the machine went down: no ExecStop. */
  | "lost"
  | "enabled"
  | "disabled"
  | "forgotten"
  | "reloaded"
  /** A fence went off. */
  | "fenced"
  | "rebooted";

export interface FakeSystemdEvent {
  /** Monotonic milliseconds of the clock. */
  readonly at: number;
  readonly kind: FakeSystemdEventKind;
  /** Empty for what concerns the whole machine. */
  readonly unit: string;
  /** The unit's when it happened; empty when it had none. */
  readonly invocation: string;
}

/** What happened on a simulated machine. It only grows. */
export class FakeSystemdHistory {
  readonly #clock: Clock;
  readonly #events: FakeSystemdEvent[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get events(): readonly FakeSystemdEvent[] {
    return this.#events;
  }

  add(kind: FakeSystemdEventKind, unit: string, invocation: string): void {
    this.#events.push({ at: this.#clock.monotonic(), kind, unit, invocation });
  }
}
