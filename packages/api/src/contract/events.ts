import { z } from "zod";

/** What the engine has decided and noticed lately, for people and programs that look on. Fleet 1.0 has none of this. */

export const eventKindShape = z.enum([
  // Of units.
  "assigned",
  "moved",
  "withdrawn",
  "updated",
  "waiting",
  // Of machines.
  "machine-joined",
  "machine-leaving",
  "machine-left",
  "machine-lost",
  // Of the cluster.
  "losses-held",
  "losses-released",
  "leader-elected",
  // What happened beyond the bound of one record.
  "omitted",
]);
export type ApiEventKind = z.infer<typeof eventKindShape>;

export const eventShape = z.object({
  id: z.string().describe("Grows from event to event, compared as text; never given twice."),
  at: z.string().describe("When it was decided or noticed, as RFC 3339 has it, by the leader's clock."),
  kind: eventKindShape,
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
