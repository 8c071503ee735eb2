import { type Clock, FleetError, sleep } from "@fleet/runtime";
import type { UnitManager } from "@fleet/systemd";

export interface SilenceOptions {
  readonly manager: Pick<UnitManager, "status">;
  readonly clock: Clock;
  /** Since the last answer. */
  readonly giveUpAfterMs: number;
  /** Ends the watching: it is settled. */
  readonly signal: AbortSignal;
}

const askEveryMs = 2_000;

/** systemd's root of everything: it is always there. */
const anyUnit = "-.slice";

/**
 * Asks systemd for signs of life, and rejects with `systemd_silent` when there has been none for long. A stop may take
 * as long as it likes while systemd answers; of one that is hung, or gone, no stop's end can be awaited. Resolves when
 * the signal fires.
 */
export async function untilSilent({ manager, clock, giveUpAfterMs, signal }: SilenceOptions): Promise<void> {
  let answeredMs = clock.monotonic();
  while (!signal.aborted) {
    const answered = await manager.status([anyUnit]).then(
      () => true,
      () => false,
    );
    const nowMs = clock.monotonic();
    if (answered) answeredMs = nowMs;
    else if (nowMs - answeredMs >= giveUpAfterMs) {
      throw new FleetError(
        "systemd_silent",
        `systemd has not answered for ${Math.round((nowMs - answeredMs) / 1_000)} s: units may be left running`,
      );
    }
    await sleep(clock, askEveryMs, signal).catch(() => {});
  }
}
