import { parseTimeSpan } from "./time-span.ts";

/** RescheduleOnFailure: how often a unit that fails is moved to another machine. */
export interface Rescheduling {
  /** RescheduleLimitBurst: at most this many moves within the interval. */
  readonly burst: number;
  /** RescheduleLimitIntervalSec, in milliseconds; Infinity: moves are never forgotten. */
  readonly intervalMs: number;
}

const defaultBurst = 3;
const defaultIntervalMs = 10 * 60_000;
/** Each move is noted in the unit's record. */
const maxBurst = 100;

/** The limits as written, undefined where they are not; what cannot be read is warned about and has its default. */
export function readRescheduling(
  burst: string | undefined,
  interval: string | undefined,
  warnings: string[],
): Rescheduling {
  const limit = burst === undefined ? defaultBurst : Number(/^\d{1,9}$/.test(burst) ? burst : Number.NaN);
  const readable = limit >= 1 && limit <= maxBurst;
  if (!readable) {
    warnings.push(
      `RescheduleLimitBurst ${JSON.stringify(burst)} is taken as ${defaultBurst}: write a number from 1 to ${maxBurst}`,
    );
  }
  const intervalMs = interval === undefined ? defaultIntervalMs : (parseTimeSpan(interval) ?? 0);
  if (intervalMs <= 0) {
    warnings.push(
      `RescheduleLimitIntervalSec ${JSON.stringify(interval)} is taken as 10min: write a time span such as 10min or 1h`,
    );
  }
  return {
    burst: readable ? limit : defaultBurst,
    intervalMs: intervalMs > 0 ? intervalMs : defaultIntervalMs,
  };
}
