/** Kinds of events. Apart from their shape: the command line does not load the schema library. */
export const eventKinds = [
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
] as const;
export type ApiEventKind = (typeof eventKinds)[number];
