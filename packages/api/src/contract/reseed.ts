import { z } from "zod";

/** The way out of a registry that was wiped or rolled back. Fleet 1.0 has none of this. */

/** Body of POST /reseed. */
export const beginReseedShape = z.object({
  discard: z
    .string()
    .optional()
    .describe("Id of the cluster that etcd holds and that may be thrown away, `none` when it holds none."),
});

/** Body of POST /reseed/finish: nothing is to be said. */
export const finishReseedShape = z.object({});

const leftUnitShape = z.object({
  unit: z.string(),
  reason: z.enum([
    "other_content",
    "other_target",
    "duplicate",
    "file_missing",
    "file_changed",
    "unreadable",
  ]),
});

export const reseedShape = z.object({
  state: z
    .enum(["healthy", "frozen", "running"])
    .describe("frozen: etcd does not hold this cluster; running: machines are telling what they run."),
  clusterID: z.string().optional().describe("The cluster that this machine belongs to."),
  epoch: z.number().describe("How often the cluster was seeded anew, counted from 1."),
  reason: z.string().optional().describe("Why it is frozen."),
  found: z
    .object({
      clusterID: z.string().optional(),
      units: z.number(),
      keys: z.number(),
    })
    .optional()
    .describe("What etcd holds instead."),
  units: z.number().describe("Units in the registry."),
  machines: z
    .array(
      z.object({
        machineID: z.string(),
        state: z.enum(["contributed", "awaited"]),
        units: z.number(),
        left: z
          .array(leftUnitShape)
          .describe(
            "Units of it that are unloaded once the seeding is finished; unreadable ones only once they can be read and are not wanted there, or are destroyed.",
          ),
      }),
    )
    .describe("Machines that are registered, or have contributed since the cluster was seeded anew."),
  misplaced: z
    .array(
      z.object({
        unit: z.string(),
        machineID: z.string(),
        metadata: z.string().optional().describe("The key that the machine has not, or with another value."),
        text: z
          .string()
          .describe(
            'What is wrong with the machine, for people: "lacks the metadata role that it asks for".',
          ),
      }),
    )
    .describe("Units on machines without what they ask for: once finished they are taken away from there."),
});
export type ApiReseed = z.infer<typeof reseedShape>;
