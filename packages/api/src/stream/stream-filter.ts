import { z } from "zod";
import { message } from "../contract/messages.ts";
import { query } from "../contract/paths.ts";

const streamKinds = ["units", "states", "machines", "events"] as const;
export type StreamKind = (typeof streamKinds)[number];

/** What a stream tells of. */
export interface StreamFilter {
  /** Units to tell of, and what concerns them; undefined: everything. */
  readonly names: ReadonlySet<string> | undefined;
  readonly kinds: ReadonlySet<StreamKind>;
  /** In place of units. */
  readonly summaries: boolean;
}

/** After which message a stream is to go on. */
export interface StreamPosition {
  readonly revision: number;
  readonly cluster: string;
}

export interface StreamRequest {
  readonly filter: StreamFilter;
  readonly since: StreamPosition | undefined;
}

const defaultKinds: readonly StreamKind[] = ["units", "states", "machines"];
const revisionShape = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const kindShape = z.enum(streamKinds);

/** What the query of an upgrade asks for, or what is wrong with it. */
export function readStreamRequest(parameters: URLSearchParams): StreamRequest | string {
  const kinds = new Set<StreamKind>();
  for (const text of listOf(parameters, query.kinds)) {
    const kind = kindShape.safeParse(text);
    if (!kind.success) return message.unknownKind(text);
    kinds.add(kind.data);
  }
  const options = parameters.get(query.options);
  if (options !== null && options !== "none") return message.unknownOptions;
  const since = positionOf(parameters);
  if (since === "malformed") return message.badSince;
  const names = listOf(parameters, query.units);
  return {
    filter: {
      names: names.length === 0 ? undefined : new Set(names),
      kinds: kinds.size === 0 ? new Set(defaultKinds) : kinds,
      summaries: options === "none",
    },
    since,
  };
}

function positionOf(parameters: URLSearchParams): StreamPosition | undefined | "malformed" {
  const since = parameters.get(query.since);
  if (since === null) return undefined;
  const revision = revisionShape.safeParse(since);
  // Without the cluster's name it cannot be told whether the revision means anything here: that is for the session to say.
  return revision.success
    ? { revision: revision.data, cluster: parameters.get(query.cluster) ?? "" }
    : "malformed";
}

function listOf(parameters: URLSearchParams, name: string): readonly string[] {
  return parameters
    .getAll(name)
    .flatMap((text) => text.split(","))
    .filter((text) => text !== "");
}
