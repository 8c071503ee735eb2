/** So many losses of a machine within `withinMs` make it unsteady. */
const losses = 3;
const withinMs = 10 * 60_000;
const firstMs = 60_000;
const longestMs = 32 * 60_000;

interface History {
  /** When it was lost, oldest first; none older than `withinMs`, and never more than `losses`. */
  readonly lostAt: readonly number[];
  /** How often it has been damped without a steady time of `withinMs` in between. */
  readonly times: number;
  readonly untilMs: number;
}

/**
 * Machines that are lost again and again. From the third loss within 10 minutes on, each loss makes the machine unsteady:
 * for 1 minute, then for twice as long each time, 32 minutes at most. All is forgotten 10 minutes after the end of the
 * last of these times, or after the last loss. Times are monotonic milliseconds.
 */
export class Damping {
  readonly #machines = new Map<string, History>();

  /** The machine is lost. True when that makes it unsteady, or for longer than it was. */
  lost(machineId: string, nowMs: number): boolean {
    this.#forget(nowMs);
    const known = this.#machines.get(machineId) ?? { lostAt: [], times: 0, untilMs: 0 };
    const lostAt = [...known.lostAt.filter((atMs) => nowMs - atMs <= withinMs), nowMs].slice(-losses);
    const damped = lostAt.length === losses;
    this.#machines.set(machineId, {
      lostAt,
      times: known.times + (damped ? 1 : 0),
      untilMs: damped ? nowMs + Math.min(firstMs * 2 ** known.times, longestMs) : known.untilMs,
    });
    return damped;
  }

  /** Until when the machine is unsteady; undefined when it is not. */
  until(machineId: string, nowMs: number): number | undefined {
    const untilMs = this.#machines.get(machineId)?.untilMs ?? 0;
    return untilMs > nowMs ? untilMs : undefined;
  }

  /** The unsteady machines, and until when they are, in order of id. */
  unsteady(nowMs: number): ReadonlyMap<string, number> {
    const machines = [...this.#machines].filter(([, { untilMs }]) => untilMs > nowMs);
    return new Map(machines.map(([machineId, { untilMs }]) => [machineId, untilMs] as const).sort(byId));
  }

  #forget(nowMs: number): void {
    for (const [machineId, { lostAt, untilMs }] of this.#machines) {
      if (nowMs - Math.max(untilMs, lostAt.at(-1) ?? 0) > withinMs) this.#machines.delete(machineId);
    }
  }
}

function byId([left]: readonly [string, number], [right]: readonly [string, number]): number {
  return left < right ? -1 : 1;
}
