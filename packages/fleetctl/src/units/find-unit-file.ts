import { dirname, join } from "node:path";
import type { ApiUnit, FleetClient } from "@fleet/api/client";
import { parseUnitName, serializeUnitFile, type UnitOption } from "@fleet/core";
import { wordedAs } from "../api-failure.ts";
import { readLocalUnitFile } from "./local-unit-file.ts";

/** A unit file and where it comes from. */
export interface UnitSource {
  readonly options: readonly UnitOption[];
  /** The path of the local file; undefined when it came from the registry. */
  readonly path: string | undefined;
  readonly isTemplate: boolean;
  /** The registry's template was taken although the one beside the path has other content. */
  readonly insteadOf?: { readonly template: string; readonly path: string };
}

/** A unit file on this machine. */
export interface LocalSource extends UnitSource {
  readonly path: string;
}

/** The template in the registry; undefined when there is none of that name. */
export type TemplateReader = (name: string) => Promise<ApiUnit | undefined>;

/** Reads each template once, however many instances of it are asked about. */
export function templateReader(client: FleetClient, signal: AbortSignal): TemplateReader {
  const read = new Map<string, Promise<ApiUnit | undefined>>();
  return (name) => {
    const reading = read.get(name) ?? client.unit(name, signal);
    read.set(name, reading);
    return reading;
  };
}

export function sameContent(left: readonly UnitOption[], right: readonly UnitOption[]): boolean {
  return serializeUnitFile(left) === serializeUnitFile(right);
}

/** The local file for a unit: at the path, else for an instance its template beside the path. */
export async function findLocalFile(name: string, path: string): Promise<LocalSource | undefined> {
  const own = await readLocalUnitFile(path);
  if (own !== undefined) return { options: own, path, isTemplate: false };
  const template = templateOf(name);
  if (template === undefined) return undefined;
  const templatePath = join(dirname(path), template);
  const options = await readLocalUnitFile(templatePath);
  return options && { options, path: templatePath, isTemplate: true };
}

/**
 * The content for a unit that is not in the registry: its own local file, else for an instance the template
 * in the registry, else the one beside the path; undefined when there is none.
 */
export async function findUnitFile(
  name: string,
  path: string,
  templates: TemplateReader,
): Promise<UnitSource | undefined> {
  const local = await findLocalFile(name, path);
  if (local !== undefined && !local.isTemplate) return local;
  const template = templateOf(name);
  if (template === undefined) return undefined;
  const registered = await wordedAs(
    (reason) => `error retrieving template Unit(${template}) from Registry: ${reason}`,
    templates(template),
  );
  if (registered !== undefined) {
    const differs = local !== undefined && !sameContent(local.options, registered.options);
    return {
      options: registered.options,
      path: undefined,
      isTemplate: true,
      ...(differs ? { insteadOf: { template, path: local.path } } : {}),
    };
  }
  return local;
}

function templateOf(name: string): string | undefined {
  const parsed = parseUnitName(name);
  return parsed.ok ? parsed.value.template : undefined;
}
