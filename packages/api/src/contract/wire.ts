import { z } from "zod";
import { massLossShape } from "./losses.ts";

/**
 * The JSON shapes of fleet's API v1, spelled as on the wire. Absent values are left out, never null. Unknown
 * fields are ignored: clients and daemons of different versions talk to each other.
 */

export const optionShape = z.object({
  section: z.string(),
  name: z.string(),
  // fleet's own client leaves an empty value out (`ExecStart=`, which resets a list).
  value: z.string().default(""),
});

export const targetStateShape = z.enum(["inactive", "loaded", "launched"]);

export const unitShape = z.object({
  name: z.string(),
  options: z.array(optionShape),
  desiredState: targetStateShape,
  currentState: targetStateShape
    .optional()
    .describe("Left out for a global unit that is asked for by name: it has one state per machine."),
  machineID: z
    .string()
    .optional()
    .describe("The machine the unit is placed on, else the one still unloading it; left out without either."),
});
export type ApiUnit = z.infer<typeof unitShape>;

export const unitStateShape = z.object({
  name: z.string(),
  hash: z.string().describe("Hash of the unit file that is loaded there."),
  machineID: z.string(),
  systemdLoadState: z.string(),
  systemdActiveState: z.string(),
  systemdSubState: z.string(),
  problem: z.string().optional().describe("Why systemd would not take the unit or start it, if so."),
});
export type ApiUnitState = z.infer<typeof unitStateShape>;

export const machineShape = z.object({
  id: z.string(),
  primaryIP: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});
export type ApiMachine = z.infer<typeof machineShape>;

const nextPageToken = z.string().optional().describe("Token of the next page; left out on the last one.");
export const unitPageShape = z.object({ units: z.array(unitShape), nextPageToken });
export const unitStatePageShape = z.object({ states: z.array(unitStateShape), nextPageToken });
export const machinePageShape = z.object({
  machines: z.array(machineShape),
  nextPageToken,
  massLoss: massLossShape.optional().describe("Left out while nothing is held. Fleet 1.0 has no such field."),
});
export type UnitPage = z.infer<typeof unitPageShape>;
export type UnitStatePage = z.infer<typeof unitStatePageShape>;
export type MachinePage = z.infer<typeof machinePageShape>;

/**
 * Body of PUT /units/N. Null and the empty string mean the same as leaving the field out: Go clients send
 * either. `desiredState` is any string here, and only described: an unknown one has an error message of its own.
 */
export const putUnitShape = z.object({
  name: z.string().nullish(),
  desiredState: z.string().meta({ enum: targetStateShape.options }).nullish(),
  options: z.array(optionShape).nullish(),
});

/** A value as fleet 1.0's documentation has it, or wrapped, as its code wanted it. */
const metadataValue = z.union([z.string(), z.object({ value: z.string().nullish() })]);

/**
 * Body of PATCH /machines: a JSON Patch whose paths are `/<machine id>/metadata/<key>`. `op` and `path` are any
 * strings here, and only described: wrong ones have error messages of their own.
 */
export const machineOperationShape = z.object({
  op: z
    .string()
    .meta({ enum: ["add", "remove", "replace"] })
    .nullish(),
  path: z.string().meta({ pattern: "^/[^/]+/metadata/[A-Za-z0-9_.-]+$" }).nullish(),
  value: metadataValue
    .nullish()
    .describe("For add and replace: a text that is not empty, as it is or wrapped."),
});

export const machinePatchShape = z.array(machineOperationShape);
export type MachinePatch = z.infer<typeof machinePatchShape>;

/** Description of this API in the format of Google's API Discovery, version 1. */
export const discoveryShape = z.looseObject({
  kind: z.literal("discovery#restDescription"),
  id: z.string(),
  rootUrl: z.string(),
  servicePath: z.string(),
  schemas: z.record(z.string(), z.unknown()),
  resources: z.record(z.string(), z.unknown()),
});

/** Description of this API as OpenAPI 3.1. */
export const openApiShape = z.looseObject({
  openapi: z.string(),
  info: z.record(z.string(), z.unknown()),
  paths: z.record(z.string(), z.unknown()),
});
export type OpenApiDocument = z.infer<typeof openApiShape>;

export const errorBodyShape = z.object({
  error: z.object({ code: z.number(), message: z.string() }),
});
export type ErrorBody = z.infer<typeof errorBodyShape>;
