import { Readable } from "node:stream";
import type { BackupPart } from "@fleet/registry";
import { type ApiBackup, backupVersion } from "../contract/backup.ts";
import type { Handlers, RouteContext } from "./route-context.ts";

/** Pieces of text below this length are sent together. */
const chunkLength = 64 * 1024;

/** Everything that is intent, sent as it is read: neither end of it holds the whole. */
export function backupHandlers({ access, registry }: RouteContext): Pick<Handlers, "getBackup"> {
  return {
    getBackup: async (_request, reply) => {
      const parts = registry.backup.parts();
      // Whether it can be read at all is found out while an error can still be answered.
      const first = await access.within(() => parts.next());
      const text = chunked(documentText(first, parts));
      return reply.type("application/json").send(Readable.from(text));
    },
  };
}

/** The lists in the order in which their parts come; what cannot be read may be anywhere, and is told at the end. */
const lists = [
  ["file", "files"],
  ["unit", "units"],
  ["metadata", "metadata"],
] as const;

async function* documentText(
  first: IteratorResult<BackupPart, void>,
  rest: AsyncIterable<BackupPart>,
): AsyncGenerator<string, void> {
  if (first.done === true || first.value.kind !== "cluster") return;
  const { id, epoch, format, revision } = first.value;
  const head: Pick<ApiBackup, "backup" | "cluster" | "revision" | "taken"> = {
    backup: backupVersion,
    cluster: { id, epoch, format },
    revision,
    taken: new Date().toISOString(),
  };
  yield JSON.stringify(head).slice(0, -1);
  const unreadable: string[] = [];
  let open = -1;
  let separator = "";
  for await (const part of rest) {
    if (part.kind === "cluster") continue;
    if (part.kind === "unreadable") {
      unreadable.push(part.key);
      continue;
    }
    const list = lists.findIndex(([kind]) => kind === part.kind);
    while (open < list) {
      yield opening(open, ++open);
      separator = "";
    }
    yield separator + partText(part);
    separator = ",";
  }
  while (open < lists.length) yield opening(open, ++open);
  yield `,"unreadable":${JSON.stringify(unreadable)}}`;
}

/** The text between two lists: files are an object, all others arrays. */
function opening(before: number, next: number): string {
  const end = before < 0 ? "" : before === 0 ? "}" : "]";
  const name = lists[next]?.[1];
  return name === undefined ? end : `${end},"${name}":${next === 0 ? "{" : "["}`;
}

function partText(part: Exclude<BackupPart, { kind: "cluster" | "unreadable" }>): string {
  switch (part.kind) {
    case "file":
      return `${JSON.stringify(part.hash)}:${JSON.stringify(part.text)}`;
    case "unit":
      return JSON.stringify({ name: part.name, hash: part.hash, desiredState: part.target });
    case "metadata":
      return JSON.stringify({ machineID: part.machineId, key: part.key, value: part.value });
  }
}

async function* chunked(texts: AsyncIterable<string>): AsyncGenerator<string, void> {
  let chunk = "";
  for await (const text of texts) {
    chunk += text;
    if (chunk.length < chunkLength) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}
