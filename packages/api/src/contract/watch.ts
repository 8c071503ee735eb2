import { z } from "zod";
import { machineShape, unitShape, unitStateShape } from "./wire.ts";

/**
 * Messages of the `/watch` WebSocket, all from the server, JSON in text frames.
 *
 * A stream begins with a snapshot; deltas follow. A later snapshot replaces everything received so far. After
 * each message the receiver's picture is that of the cluster at `revision`; several changes of one row between
 * two messages arrive as one.
 */

export const snapshotShape = z.object({
  type: z.literal("snapshot"),
  revision: z.number(),
  units: z.array(unitShape),
  states: z.array(unitStateShape),
  machines: z.array(machineShape),
});
export type WatchSnapshot = z.infer<typeof snapshotShape>;

export const deltaShape = z.object({
  type: z.literal("delta"),
  revision: z.number(),
  /** Left out when no unit changed; so are the other two. */
  units: z.object({ put: z.array(unitShape), removed: z.array(z.string()) }).optional(),
  states: z
    .object({
      put: z.array(unitStateShape),
      removed: z.array(z.object({ name: z.string(), machineID: z.string() })),
    })
    .optional(),
  machines: z.object({ put: z.array(machineShape), removed: z.array(z.string()) }).optional(),
});
export type WatchDelta = z.infer<typeof deltaShape>;

export const statusShape = z.object({
  type: z.literal("status"),
  /** `stale`: the daemon has lost etcd, the picture may be out of date. `connected`: a snapshot follows. */
  status: z.enum(["connected", "stale"]),
  message: z.string().optional(),
});
export type WatchStatus = z.infer<typeof statusShape>;

export const watchMessageShape = z.discriminatedUnion("type", [snapshotShape, deltaShape, statusShape]);
export type WatchMessage = z.infer<typeof watchMessageShape>;
