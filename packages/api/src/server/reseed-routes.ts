import type { FoundStore } from "@fleet/registry";
import { message } from "../contract/messages.ts";
import { type ApiReseed, beginReseedShape, finishReseedShape } from "../contract/reseed.ts";
import { causeWords } from "../words/reason-words.ts";
import { Problem } from "./problem.ts";
import { type Handlers, type RouteContext, readBody } from "./route-context.ts";

/** The way out of a registry that is not this cluster's any more; served while all else is refused. */
export function reseedHandlers({
  access,
  registry,
}: RouteContext): Pick<Handlers, "getReseed" | "beginReseed" | "finishReseed"> {
  const { guard, reseeding } = registry;
  const status = async (): Promise<ApiReseed> => {
    // It may not have been noticed yet.
    if (guard.frozen === undefined) {
      await guard.verify().catch((error: unknown) => {
        if (guard.frozen !== error) throw error;
      });
    }
    const { clusterId, epoch, frozen } = guard;
    const known = { ...(clusterId === undefined ? {} : { clusterID: clusterId }), epoch };
    if (frozen !== undefined) {
      const found = await reseeding.found();
      const { units, keys } = found;
      return {
        ...known,
        state: "frozen",
        reason: frozen.message,
        found: { ...(found.cluster === undefined ? {} : { clusterID: found.cluster.id }), units, keys },
        units: 0,
        machines: [],
        misplaced: [],
      };
    }
    const progress = await reseeding.progress();
    return {
      ...known,
      state: progress.running ? "running" : "healthy",
      units: progress.units,
      machines: [
        ...progress.contributions.map(({ machineId, units, left }) => ({
          machineID: machineId,
          state: "contributed" as const,
          units,
          left: left.map(({ unit, reason }) => ({ unit, reason })),
        })),
        ...progress.awaited.map((machineID) => ({
          machineID,
          state: "awaited" as const,
          units: 0,
          left: [],
        })),
      ],
      misplaced: progress.misplaced.map(({ unit, machineId, metadata }) => ({
        unit,
        machineID: machineId,
        ...(metadata === undefined
          ? { text: causeWords("MachineID", 1) }
          : { metadata, text: causeWords("MachineMetadata", 1, { key: metadata }) }),
      })),
    };
  };

  return {
    getReseed: () => access.bounded(status),

    beginReseed: async (request) => {
      const { discard } = readBody(beginReseedShape, request.body);
      return await access.bounded(async () => {
        // Begun is begun, whether or not the one who asked still waits for the answer.
        const begun = await reseeding.begin(discard, new AbortController().signal);
        if (begun.outcome === "healthy") throw new Problem(409, message.reseedHealthy);
        if (begun.outcome === "no_memory") throw new Problem(409, message.reseedNoMemory);
        if (begun.outcome === "occupied") throw new Problem(409, message.reseedOccupied(told(begun.found)));
        return await status();
      });
    },

    finishReseed: async (request) => {
      readBody(finishReseedShape, request.body);
      return await access.within(async () => {
        if (!(await reseeding.finish())) throw new Problem(409, message.reseedNotRunning);
        return await status();
      });
    },
  };
}

function told({ cluster, units, keys }: FoundStore): string {
  const what = cluster === undefined ? "no cluster, but" : `cluster ${cluster.id} (epoch ${cluster.epoch}),`;
  return `${what} ${units} units and ${keys} keys in all`;
}
