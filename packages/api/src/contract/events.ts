import { z } from "zod";
import { eventKinds } from "./event-kinds.ts";

/** What the engine has decided and noticed lately, for people and programs that look on. Fleet 1.0 has none of this. */

export const eventShape = z.object({
  id: z.string().describe("Grows from event to event, compared as text; never given twice."),
  at: z.string().describe("When it was decided or noticed, as RFC 3339 has it, by the leader's clock."),
  kind: z.enum(eventKinds),
  unit: z.string().optional(),
  machineID: z.string().optional().describe("The machine it is about; of a move the one moved to."),
  fromMachineID: z.string().optional().describe("Of a move: the machine the unit was on before."),
  reason: z.string().optional().describe("Why, as one stable word, such as least_loaded or machine_gone."),
  text: z.string().describe("All of it as a sentence for people, without the time."),
});
export type ApiEvent = z.infer<typeof eventShape>;

export const eventListShape = z.object({
  events: z.array(eventShape).describe("The latest last. How far back they go is bounded."),
});
export type EventList = z.infer<typeof eventListShape>;
