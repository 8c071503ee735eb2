import { matchesMachineId, metadataMismatch, requirementsOf, type UnitOption } from "@fleet/core";
import type { Keyspace } from "./keyspace.ts";
import { machineCodec, metadataCodec, unitCodec } from "./records.ts";
import type { KeyValue } from "./store.ts";
import { decodeBody } from "./unit-body.ts";

/** A unit on a machine that it may not be on. */
export interface MisplacedUnit {
  readonly unit: string;
  readonly machineId: string;
  /** The key of metadata that the machine lacks or has with another value; undefined: its id is another one. */
  readonly metadata: string | undefined;
}

/** Of all rows below the prefix, the units whose machines are present and not what the units ask for. */
export function misplacedUnits(rows: readonly KeyValue[], keys: Keyspace): readonly MisplacedUnit[] {
  const bodies = new Map<string, readonly UnitOption[]>();
  const hashes = new Map<string, string>();
  const machines = new Map<string, Map<string, string>>();
  const placed: { readonly unit: string; readonly machineId: string }[] = [];
  // In the order of their keys machines come before their metadata: m-a before m-e.
  for (const { key, value } of rows) {
    const subject = keys.parse(key);
    switch (subject?.kind) {
      case "assignment":
        placed.push(subject);
        break;
      case "body": {
        const body = decodeBody(value, subject.hash);
        if (body.ok) bodies.set(subject.hash, body.value);
        break;
      }
      case "unit": {
        const record = unitCodec.decode(value);
        if (record.ok) hashes.set(subject.name, record.value.hash);
        break;
      }
      case "machine": {
        const record = machineCodec.decode(value);
        if (record.ok) machines.set(subject.machineId, new Map(Object.entries(record.value.metadata)));
        break;
      }
      case "metadata": {
        const record = metadataCodec.decode(value);
        const metadata = machines.get(subject.machineId);
        if (!record.ok || metadata === undefined) break;
        if ("value" in record.value) metadata.set(subject.key, record.value.value);
        else metadata.delete(subject.key);
        break;
      }
    }
  }
  return placed.flatMap(({ unit, machineId }): readonly MisplacedUnit[] => {
    const options = bodies.get(hashes.get(unit) ?? "");
    const metadata = machines.get(machineId);
    if (options === undefined || metadata === undefined) return [];
    const requirements = requirementsOf(unit, options);
    const mismatch = metadataMismatch(requirements, metadata);
    if (mismatch !== undefined) return [{ unit, machineId, metadata: mismatch.key }];
    const fits = requirements.machineId === undefined || matchesMachineId(requirements.machineId, machineId);
    return fits ? [] : [{ unit, machineId, metadata: undefined }];
  });
}
