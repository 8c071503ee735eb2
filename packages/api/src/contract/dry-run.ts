import { z } from "zod";
import { explanationShape } from "./explanation.ts";
import { optionShape, targetStateShape } from "./wire.ts";

/** What would happen if: the engine's own planning on a copy of the cluster; nothing is written. Fleet 1.0 has none of this. */

/** Body of POST /plan. */
export const dryRunRequestShape = z.object({
  units: z
    .array(z.object({ name: z.string(), options: z.array(optionShape), desiredState: targetStateShape }))
    .optional()
    .describe("Units as they would be submitted."),
  destroy: z.array(z.string()).optional().describe("Names of units that would be destroyed."),
  drain: z.array(z.string()).optional().describe("Ids of machines that would leave in order."),
  without: z.array(z.string()).optional().describe("Ids of machines that would be lost."),
});
export type DryRunRequest = z.infer<typeof dryRunRequestShape>;

export const dryRunStepShape = z.object({
  action: z.enum(["load", "start", "move", "stop", "update"]),
  unit: z.string(),
  machineID: z.string().optional().describe("Where it would be after it; left out for stop."),
  fromMachineID: z.string().optional().describe("Where it would leave."),
  reason: z.string().describe("A stable word, as in events."),
  text: z.string().describe("For people."),
});
export type ApiDryRunStep = z.infer<typeof dryRunStepShape>;

export const dryRunShape = z.object({
  revision: z.number().describe("Revision of the store that this was worked out from."),
  steps: z.array(dryRunStepShape).describe("In the order in which the engine would decide them."),
  waiting: z.array(explanationShape).describe("Units that would then wait for a machine, and why."),
});
export type ApiDryRun = z.infer<typeof dryRunShape>;
