import { z } from "zod";

/** What users want of a cluster, as one document. Fleet 1.0 has none of this. */

/** Version of the document's shape. */
export const backupVersion = 1;

export const backupShape = z.object({
  backup: z.literal(backupVersion).describe("Version of this shape."),
  cluster: z.object({ id: z.string(), epoch: z.number(), format: z.number() }),
  revision: z.number().describe("The one revision of etcd that all of it was read at."),
  taken: z.string().describe("When, in UTC."),
  files: z.record(z.string(), z.string()).describe("Unit files by hash."),
  units: z.array(
    z.object({
      name: z.string(),
      hash: z.string(),
      desiredState: z.enum(["inactive", "loaded", "launched"]),
    }),
  ),
  metadata: z
    .array(z.object({ machineID: z.string(), key: z.string(), value: z.string().optional() }))
    .describe("What was set through the API; left out, a configured key is hidden."),
  unreadable: z.array(z.string()).describe("Keys whose values could not be read, and are not in here."),
});
export type ApiBackup = z.infer<typeof backupShape>;
