import { z } from "zod";
import { backupShape } from "./backup.ts";
import { eventListShape, eventShape } from "./events.ts";
import { confirmedLossesShape, confirmLossesShape, lossesShape, massLossShape } from "./losses.ts";
import { beginReseedShape, finishReseedShape, reseedShape } from "./reseed.ts";
import { newRestartShape, restartListShape, restartShape, restartStepShape } from "./restart.ts";
import { deltaShape, snapshotShape, statusShape, unitSummaryShape, watchMessageShape } from "./watch.ts";
import {
  discoveryShape,
  errorBodyShape,
  machineOperationShape,
  machinePageShape,
  machinePatchShape,
  machineShape,
  openApiShape,
  optionShape,
  putUnitShape,
  unitPageShape,
  unitShape,
  unitStatePageShape,
  unitStateShape,
} from "./wire.ts";

/** The shapes that have a name of their own in the API's descriptions; as fleet 1.0 named them where it had them. */
const named = {
  UnitOption: optionShape,
  Unit: unitShape,
  UnitPage: unitPageShape,
  UnitChange: putUnitShape,
  UnitState: unitStateShape,
  UnitStatePage: unitStatePageShape,
  Machine: machineShape,
  MachinePage: machinePageShape,
  MachineOperation: machineOperationShape,
  MachinePatch: machinePatchShape,
  NewRestart: newRestartShape,
  RestartStep: restartStepShape,
  Restart: restartShape,
  RestartList: restartListShape,
  Backup: backupShape,
  BeginReseed: beginReseedShape,
  FinishReseed: finishReseedShape,
  Reseed: reseedShape,
  MassLoss: massLossShape,
  Losses: lossesShape,
  ConfirmLosses: confirmLossesShape,
  ConfirmedLosses: confirmedLossesShape,
  Event: eventShape,
  EventList: eventListShape,
  UnitSummary: unitSummaryShape,
  WatchSnapshot: snapshotShape,
  WatchDelta: deltaShape,
  WatchStatus: statusShape,
  WatchMessage: watchMessageShape,
  DiscoveryDocument: discoveryShape,
  OpenApiDocument: openApiShape,
  Error: errorBodyShape,
} as const;

const registry = z.registry<{ id: string }>();
for (const [id, shape] of Object.entries(named)) registry.add(shape, { id });

/** The name of a shape of the contract. @throws Error when it has none: it has to be listed here. */
export function schemaName(shape: z.ZodType): string {
  const id = registry.get(shape)?.id;
  if (id === undefined) throw new Error("a shape of an operation has no name: add it to the named shapes");
  return id;
}

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * The named shapes as JSON Schema (2020-12), by name. They refer to each other with `reference(name)`. As what may
 * be sent: fields that are not known are allowed, as everywhere in this API.
 */
export function jsonSchemas(reference: (name: string) => string): ReadonlyMap<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(registry, { io: "input", uri: reference });
  return new Map(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _reference, ...schema }]) => [
      name,
      schema,
    ]),
  );
}
