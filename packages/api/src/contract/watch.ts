import { z } from "zod";
import { eventShape } from "./events.ts";
import { lossesShape } from "./losses.ts";
import { machineShape, unitShape, unitStateShape } from "./wire.ts";

/**
 * Messages of the `/watch` WebSocket, all from the server, JSON in text frames.
 *
 * A stream begins with a snapshot, or, when it resumes one, with what has changed since; deltas follow. A later snapshot
 * replaces everything received so far. After each message the receiver's picture is that of the cluster at `revision`;
 * several changes of one row between two messages arrive as one. Events are told each, in their order.
 */

/** A unit without its file, for streams opened with `options=none`: thousands of files are megabytes. */
export const unitSummaryShape = unitShape.omit({ options: true }).extend({
  hash: z.string(),
  global: z.boolean().optional().describe("Left out when it is not."),
  description: z.string().optional().describe("Description= of its file."),
});
export type UnitSummary = z.infer<typeof unitSummaryShape>;

export const snapshotShape = z.object({
  type: z.literal("snapshot"),
  revision: z.number(),
  cluster: z
    .string()
    .optional()
    .describe(
      "Which cluster and epoch the revision counts in: to resume, give both back as since and cluster.",
    ),
  units: z
    .array(unitShape)
    .describe("None on a stream opened with options=none, which has summaries instead."),
  summaries: z.array(unitSummaryShape).optional(),
  states: z.array(unitStateShape),
  machines: z.array(machineShape),
  events: z.array(eventShape).optional().describe("Recent ones, if events are among the kinds asked for."),
  losses: lossesShape.optional().describe("On streams of all machines; left out while nothing is held."),
});
export type WatchSnapshot = z.infer<typeof snapshotShape>;

export const deltaShape = z.object({
  type: z.literal("delta"),
  revision: z.number(),
  /** Left out when no unit changed; so are the others. */
  units: z.object({ put: z.array(unitShape), removed: z.array(z.string()) }).optional(),
  summaries: z.object({ put: z.array(unitSummaryShape), removed: z.array(z.string()) }).optional(),
  states: z
    .object({
      put: z.array(unitStateShape),
      removed: z.array(z.object({ name: z.string(), machineID: z.string() })),
    })
    .optional(),
  machines: z.object({ put: z.array(machineShape), removed: z.array(z.string()) }).optional(),
  events: z.array(eventShape).optional(),
  /** As it is now, with nothing in it once nothing is held. */
  losses: lossesShape.optional(),
});
export type WatchDelta = z.infer<typeof deltaShape>;

export const statusShape = z.object({
  type: z.literal("status"),
  /**
   * `stale`: the daemon has lost etcd, the picture may be out of date. `connected`: a snapshot follows.
   * `resync`: what was missed can no longer be told, or the receiver was too slow for it; a snapshot follows.
   */
  status: z.enum(["connected", "stale", "resync"]),
  message: z.string().optional(),
});
export type WatchStatus = z.infer<typeof statusShape>;

export const watchMessageShape = z.discriminatedUnion("type", [snapshotShape, deltaShape, statusShape]);
export type WatchMessage = z.infer<typeof watchMessageShape>;
