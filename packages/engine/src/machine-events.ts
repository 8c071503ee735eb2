import type { Change } from "@fleet/registry";
import type { ClusterEvent } from "./cluster-event.ts";

type Standing = "staying" | "leaving" | "away";

/** Notices machines that come and go in order. Which are lost is decided elsewhere. */
export class MachineEvents {
  readonly #note: (event: ClusterEvent) => void;
  readonly #standings = new Map<string, Standing>();

  constructor(note: (event: ClusterEvent) => void) {
    this.#note = note;
  }

  /** `first`: what is there already is no news. */
  apply(changes: readonly Change[], first: boolean): void {
    for (const change of changes) if (change.kind === "machine") this.#apply(change, first);
  }

  /** When it comes again, it joins. */
  lost(machineId: string): void {
    this.#standings.delete(machineId);
  }

  #apply({ machineId, entry }: Extract<Change, { kind: "machine" }>, first: boolean): void {
    const before = this.#standings.get(machineId);
    if (entry.status === "absent") {
      if (before === "leaving") this.#left(machineId);
      else if (before !== undefined) this.#standings.set(machineId, "away");
      return;
    }
    const leaving = entry.status === "present" ? entry.value.leaving : before === "leaving";
    this.#standings.set(machineId, leaving ? "leaving" : "staying");
    if (first) return;
    if (before === undefined) this.#note({ kind: "machine-joined", machineId });
    if (leaving && before !== "leaving") this.#note({ kind: "machine-leaving", machineId });
  }

  #left(machineId: string): void {
    this.#standings.delete(machineId);
    this.#note({ kind: "machine-left", machineId });
  }
}
