/** A restart of one unit on one machine, as its agent has carried it out. */
export interface RestartOutcome {
  /** Number of the request. */
  readonly number: number;
  /** Why systemd would not do it, if so. */
  readonly refused?: string;
}

/**
 * One unit of a request, or one machine of a global unit.
 *
 * - `restarting`: the turn has come; the assignments concerned carry the request's number
 * - `done`: systemd has begun a new invocation, and the unit is up or has finished. What a later request has brought about
 *   before this turn came counts as well
 * - `failed`: it did not come up; nothing further begins
 * - `skipped`: there was nothing to restart (any more)
 */
export interface RestartStep {
  readonly unit: string;
  /**
   * Of a global unit: the machine the step is about; without one, all of them at once. Else: the machine the unit was
   * on when it was last looked at.
   */
  readonly machineId?: string;
  readonly state: "restarting" | "done" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly message?: string;
}

/** What of a request to restart units changes as it is carried out. */
export interface RestartProgress {
  readonly state: "running" | "done" | "failed";
  /** In the order in which their turns came. */
  readonly steps: readonly RestartStep[];
  /** Why it failed when no single step is to blame. */
  readonly message?: string;
}

/** A request to restart units, one after the other. */
export interface Restart extends RestartProgress {
  readonly id: string;
  /** Create revision of its record: grows from request to request and never repeats. */
  readonly number: number;
  /** In the order of their turns, each once. */
  readonly units: readonly string[];
  /** Steps that may be under way at a time. */
  readonly parallel: number;
}

/** What a state row says of a unit that has been restarted on its machine. */
export interface RestartReport {
  readonly outcome: RestartOutcome;
  /** Of the content that the machine has loaded. */
  readonly hash: string;
  /** See UnitState. */
  readonly launched: boolean;
  readonly active: string;
  readonly sub: string;
}
