import type { ClientMachine } from "@fleet/api/client";

/** A machine that this cluster lacks, or has with other metadata. */
export interface MachineDifference {
  readonly id: string;
  readonly metadataThere: Readonly<Record<string, string>>;
  /** Undefined: the machine is not here. */
  readonly metadataHere: Readonly<Record<string, string>> | undefined;
}

/** Machines are not imported; what units may miss here is told. */
export function machineDifferences(
  there: readonly ClientMachine[],
  here: readonly ClientMachine[],
): readonly MachineDifference[] {
  const present = new Map(here.map((machine) => [machine.id, machine.metadata]));
  return there
    .map(({ id, metadata }) => ({ id, metadataThere: metadata, metadataHere: present.get(id) }))
    .filter(
      ({ metadataThere, metadataHere }) =>
        metadataHere === undefined || pairs(metadataThere) !== pairs(metadataHere),
    );
}

/** `k=v,k2=v2` by key, as in list-machines; `-` for none. */
export function pairs(metadata: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(metadata).sort(([left], [right]) => (left < right ? -1 : 1));
  return sorted.map(([key, value]) => `${key}=${value}`).join(",") || "-";
}
