import type { Etcd } from "@fleet/lab";
import { z } from "zod";

const PREFIX = "/_coreos.com/fleet/assignments/";
/** The gateway sends all history in one or a few messages; silence for this long is its end. */
const SILENCE_MS = 1_500;

const header = z.object({ header: z.object({ revision: z.string() }) });
const message = z.object({
  result: z.object({
    events: z
      .array(
        z.object({
          type: z.string().optional(),
          kv: z.object({ key: z.string(), create_revision: z.string().optional(), mod_revision: z.string() }),
        }),
      )
      .default([]),
  }),
});

/** A unit was given to a machine. */
export interface Placement {
  readonly unit: string;
  readonly machineId: string;
}

/** The revision that etcd is at, for `placementsSince`. */
export async function revisionNow(etcd: Etcd): Promise<number> {
  const { text } = await etcd.call("kv/range", { key: btoa(PREFIX) });
  return Number(header.parse(JSON.parse(text)).header.revision);
}

/** Every placement of a unit on a machine after a revision, in order, past fleet: what etcd's own history says. */
export async function placementsSince(etcd: Etcd, revision: number): Promise<readonly Placement[]> {
  const member = await etcd.leader();
  const stop = new AbortController();
  const answer = await fetch(`${member.clientUrl}/v3/watch`, {
    method: "POST",
    body: JSON.stringify({
      create_request: {
        key: btoa(PREFIX),
        // "0" is the character after "/": the range ends behind the last key with the prefix.
        range_end: btoa(`${PREFIX.slice(0, -1)}0`),
        start_revision: String(revision + 1),
      },
    }),
    signal: stop.signal,
  });
  const lines = await linesUntilSilent(answer, stop);
  return lines
    .flatMap((line) => message.parse(JSON.parse(line)).result.events)
    .filter(({ type, kv }) => type !== "DELETE" && kv.create_revision === kv.mod_revision)
    .map(({ kv }) => {
      const [machineId = "", unit = ""] = atob(kv.key).slice(PREFIX.length).split("/");
      return { machineId, unit };
    })
    .filter(({ unit }) => unit !== "@settled");
}

async function linesUntilSilent(answer: Response, stop: AbortController): Promise<readonly string[]> {
  let text = "";
  let timer = setTimeout(() => stop.abort(), SILENCE_MS);
  const decoder = new TextDecoder();
  try {
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENCE_MS);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  return text.split("\n").filter((line) => line !== "");
}
