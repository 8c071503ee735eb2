import { z } from "zod";

/** Requests to restart units, which the cluster carries out. Fleet 1.0 has none of this. */

/** Units of one request at most. */
export const maxRestartUnits = 1000;

/** Body of POST /restarts. */
export const newRestartShape = z.object({
  units: z.array(z.string()).min(1).describe("Names of the units, in the order of their turns."),
  parallel: z
    .number()
    .int()
    .min(1)
    .max(maxRestartUnits)
    .optional()
    .describe("How many may be restarting at a time; 1 when left out."),
});
export type NewRestart = z.infer<typeof newRestartShape>;

export const restartStepShape = z.object({
  unit: z.string(),
  machineID: z
    .string()
    .optional()
    .describe("The machine it is restarted on; a global unit has a step per machine."),
  state: z
    .enum(["restarting", "done", "failed", "skipped"])
    .describe("skipped: there was nothing to restart (any more)."),
  message: z.string().optional().describe("Why it failed, was skipped or has to wait."),
});

export const restartShape = z.object({
  id: z.string(),
  units: z.array(z.string()),
  parallel: z.number(),
  state: z
    .enum(["running", "done", "failed"])
    .describe("failed: a unit did not come up, and nothing further was begun."),
  steps: z.array(restartStepShape).describe("In the order in which their turns came."),
  message: z.string().optional().describe("Why it failed when no single step is to blame."),
});
export type ApiRestart = z.infer<typeof restartShape>;

export const restartListShape = z.object({ restarts: z.array(restartShape) });
export type RestartList = z.infer<typeof restartListShape>;
