import type { Assignment, ClusterModel, PendingCause, Step } from "@fleet/core";
import type { Change } from "@fleet/registry";
import type { ClusterEvent } from "./cluster-event.ts";
import { EventWriter, type EventWriterOptions } from "./event-writer.ts";
import { MachineEvents } from "./machine-events.ts";
import { UnitEvents } from "./unit-events.ts";

export interface EventRecorderOptions extends EventWriterOptions {
  readonly model: ClusterModel;
  /** The machine that leads. */
  readonly machineId: string;
}

/** What one term has to tell: made of what is decided and noticed, and written down. */
export class EventRecorder {
  readonly #writer: EventWriter;
  readonly #units: UnitEvents;
  readonly #machines: MachineEvents;

  constructor(options: EventRecorderOptions) {
    const note = (event: ClusterEvent): void => this.note(event);
    this.#writer = new EventWriter(options);
    this.#units = new UnitEvents(options.model, options.clock, note);
    this.#machines = new MachineEvents(note);
    this.note({ kind: "leader-elected", machineId: options.machineId });
  }

  note(event: ClusterEvent): void {
    if (event.kind === "machine-lost") this.#machines.lost(event.machineId);
    this.#writer.note(event);
  }

  /** A batch of changes. `first`: it is all there is. */
  apply(changes: readonly Change[], first: boolean): void {
    this.#machines.apply(changes, first);
    if (first) this.#writer.found(changes.flatMap((change) => (change.kind === "events" ? [change.id] : [])));
  }

  /** See UnitEvents. */
  steps(steps: readonly Step[], undone: readonly Assignment[] = []): void {
    this.#units.steps(steps, undone);
  }

  /** See UnitEvents. */
  waits(unit: string, causes: readonly PendingCause[]): void {
    this.#units.waits(unit, causes);
  }

  /** See UnitEvents. */
  flush(): void {
    this.#units.flush();
  }

  /** Writes until the signal fires. Never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#writer.run(signal);
  }
}
