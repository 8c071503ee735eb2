import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import type { EventLines } from "../output/event-lines.ts";
import { clusterStream } from "./cluster-stream.ts";
import { ConnectionTalk } from "./connection-talk.ts";
import { untilLeft } from "./until-left.ts";

/** Events that nobody will hear of are better not waited for. */
export const noEvents = "The daemon tells of no events: it is a fleet 1.0, or an older one of this project";

/**
 * Prints the latest events, `atFirst` at most, and then those that come. Resolves to the exit code; throws CommandFailure where
 * the server tells of none.
 */
export async function followEvents(call: Invocation, lines: EventLines, atFirst: number): Promise<number> {
  const talk = new ConnectionTalk(call.say);
  const { signal: never } = new AbortController();
  return await untilLeft(call, never, async (signal) => {
    // Ids grow: what was printed before comes again with every whole picture.
    let last: string | undefined;
    for await (const news of clusterStream(call, { kinds: ["events"] }, signal)) {
      if (news.type === "unsupported") throw new CommandFailure(noEvents);
      if (news.type === "stale") talk.lost(news.reason);
      if (news.type !== "snapshot" && news.type !== "delta") continue;
      talk.heard();
      if (news.type === "snapshot" && news.events === undefined) throw new CommandFailure(noEvents);
      const after = last;
      const kept = news.events ?? [];
      const fresh = kept.filter(({ id }) => after === undefined || id > after);
      // A whole picture goes on where the last one ended, unless that is too long ago.
      if (news.type === "snapshot" && after !== undefined && after !== "" && fresh.length === kept.length)
        call.say("Events before these may be missing: they are no longer kept.");
      lines.print(after === undefined && news.type === "snapshot" ? lines.latest(fresh, atFirst) : fresh);
      last = fresh.at(-1)?.id ?? last ?? "";
    }
  });
}
