import type { FleetClient } from "@fleet/api/client";
import { type Clock, errorMessage, sleep } from "@fleet/runtime";
import { isInterrupt } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import type { Goal } from "./goal.ts";
import type { Picture } from "./picture.ts";

/** Between two polls of one unit: what fleet's own client waited. */
export const POLL_INTERVAL_MS = 500;

/** Characters of names in the stream's URL; servers refuse request lines above 8 KiB or so. */
const MAX_NAMES_LENGTH = 4000;

export interface Following {
  readonly client: FleetClient;
  readonly clock: Clock;
  readonly picture: Picture;
  /** The goals not reached yet. */
  readonly open: () => readonly Goal[];
  /** Called after the picture has changed. */
  readonly changed: () => void;
  readonly say: (line: string) => void;
}

/**
 * Keeps the picture up to date until the signal fires: by the server's stream, or by polling where it has none
 * (fleet 1.0) or the stream has broken. Resolves when the signal fires.
 */
export async function follow(following: Following, signal: AbortSignal): Promise<void> {
  try {
    await followStream(following, signal);
    await poll(following, signal);
  } catch (error) {
    if (!signal.aborted || !isInterrupt(error)) throw error;
  }
}

/** Returns when there is no stream, or none any more. */
async function followStream(following: Following, signal: AbortSignal): Promise<void> {
  const { client, picture, changed } = following;
  const names = following.open().map((goal) => goal.unit);
  const asked = names.join(",").length > MAX_NAMES_LENGTH ? [] : names;
  try {
    for await (const update of client.watch({ units: asked }, signal)) {
      if (update.type === "unsupported") return;
      if (update.type === "snapshot") picture.applySnapshot(update, names);
      if (update.type === "delta") picture.applyDelta(update);
      if (update.type === "status" && update.status === "stale") {
        following.say(
          `The daemon has lost its connection to etcd${update.message ? `: ${update.message}` : ""}`,
        );
      }
      changed();
    }
  } catch (error) {
    // Whatever is wrong with the stream: polling goes on, and says so if the daemon itself is gone.
    if (isInterrupt(error)) throw error;
  }
}

async function poll(following: Following, signal: AbortSignal): Promise<void> {
  const { client, picture, changed, clock } = following;
  let lastTrouble: string | undefined;
  for (;;) {
    try {
      await mapBounded(following.open(), async (goal) => {
        const { asks, unit } = goal;
        if (asks !== "state") picture.applyUnit(unit, await client.unit(unit, signal));
        if (asks !== "unit") picture.applyState(unit, await client.state(unit, signal));
      });
      lastTrouble = undefined;
      changed();
    } catch (error) {
      if (isInterrupt(error)) throw error;
      const trouble = errorMessage(error);
      if (trouble !== lastTrouble)
        following.say(`Error retrieving units from Registry: ${trouble}. Trying again.`);
      lastTrouble = trouble;
    }
    await sleep(clock, POLL_INTERVAL_MS, signal);
  }
}
