import { z } from "zod";
import { targetStateShape } from "./wire.ts";

/** Why a unit is where it is, or nowhere. Fleet 1.0 has none of this. */

/** Machines kept out by the same cause. */
export const causeShape = z.object({
  cause: z
    .string()
    .describe(
      "A stable word: MachineID, MachineMetadata, MachineOf, Conflicts, Replaces, ReplacesBlocked, leaving, away, unreadable, no_machine, held or exclusive.",
    ),
  machines: z.number().describe("How many machines it keeps out."),
  examples: z.array(z.string()).describe("Ids of some of them, the lowest first."),
  text: z.string().describe('For people, without the count: "lack region=eu".'),
});
export type ApiCause = z.infer<typeof causeShape>;

export const explanationShape = z.object({
  unit: z.string(),
  desiredState: targetStateShape,
  verdict: z.enum(["inactive", "placed", "waiting", "template"]),
  machines: z.number().describe("How many machines are present."),
  placements: z
    .array(
      z.object({
        machineID: z.string(),
        fits: z.boolean().describe("Whether it would be allowed there if it were placed now."),
        text: z.string().describe("Why it is there, for people."),
      }),
    )
    .describe("One, or one per machine for a global unit."),
  causes: z.array(causeShape).describe("Why it is on no machine, or, if global, not on the others."),
  nearest: z
    .object({
      machineID: z.string(),
      obstacles: z.array(z.string()).describe("All that keeps the unit off it, for people."),
    })
    .optional()
    .describe("Of the machines that are out of the question the one with the fewest obstacles."),
  remedies: z.array(z.string()).describe("What would let it be placed, for people."),
  summary: z.string().describe("All of it in one sentence."),
});
export type ApiExplanation = z.infer<typeof explanationShape>;
