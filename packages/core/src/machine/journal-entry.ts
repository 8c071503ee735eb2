import type { RestartOutcome } from "../cluster/restart.ts";

/**
 * What an agent remembers about one unit it wrote to its machine. Files without an entry are not fleet's and
 * are never touched.
 */
export interface JournalEntry {
  readonly unit: string;
  /** Hash of the unit file that was written. */
  readonly hash: string;
  /** Intent generation last carried out; 0 when none has been yet. */
  readonly generation: number;
  /** Start was asked of systemd, and no stop since. */
  readonly launched: boolean;
  /**
   * `loading`: its file may be missing or half set up. `loaded`: systemd knows it. `unloading`: being taken
   * down; that is finished before anything else happens to the name.
   */
  readonly phase: "loading" | "loaded" | "unloading";
  /** At most one instance may run in the cluster: it stops when this machine's lease may have ended. */
  readonly exclusive?: true;
  /** It was launched when it was stopped for want of a lease, and nothing has been carried out since. */
  readonly fenced?: true;
  /** Why systemd would not take the unit, if so: it is not tried again before a new intent. */
  readonly problem?: string;
  /** Why systemd would not start the unit when it was last asked to, if so. */
  readonly refusal?: string;
  /** The restart last carried out. */
  readonly restart?: RestartOutcome;
  /**
   * A restart that systemd is about to be asked for, or has been, and the invocation of the unit before it (empty when
   * it had none): when systemd shows another invocation the restart has been carried out, whatever became of the answer.
   */
  readonly restarting?: { readonly number: number; readonly invocation: string };
}
