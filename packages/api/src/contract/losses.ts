import { z } from "zod";

/** Machines that vanished together, for which nothing is moved until somebody says that they are lost. Fleet 1.0 has none of this. */

export const massLossShape = z.object({
  at: z.string().describe("When it was noticed, as RFC 3339 has it."),
  vanished: z.number().describe("How many machines had vanished in all, back again or not."),
  of: z.number().describe("How many machines there had been."),
  machines: z.array(z.string()).describe("Ids of those that are away, and not confirmed as lost."),
});
export type ApiMassLoss = z.infer<typeof massLossShape>;

export const lossesShape = z.object({
  massLoss: massLossShape.optional().describe("Left out while nothing is held."),
});
export type Losses = z.infer<typeof lossesShape>;

/** Body of POST /losses/confirm. */
export const confirmLossesShape = z.object({
  machines: z
    .array(z.string())
    .optional()
    .describe("Ids of the machines that are lost; all that are held for when left out."),
});
export type ConfirmLosses = z.infer<typeof confirmLossesShape>;

export const confirmedLossesShape = z.object({
  machines: z
    .array(z.string())
    .describe("Ids of the machines that this has confirmed; none when nothing was held."),
});
export type ConfirmedLosses = z.infer<typeof confirmedLossesShape>;
