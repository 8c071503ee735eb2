import type { ApiEvent } from "@fleet/api/contract";
import type { Picture, StateChange } from "../model/index.ts";
import { EventLine } from "./events-pane.tsx";
import { clockText, fullTime, shortId } from "./text.ts";

/** The latest of these; older ones are in the journal of the unit's machine. */
const shown = 100;

type Entry =
  | { readonly at: number; readonly event: ApiEvent }
  | { readonly at: number; readonly change: StateChange };

/** What was decided about the unit, and which states it was seen in since the page was opened. */
export function Timeline({ picture, name }: { readonly picture: Picture; readonly name: string }) {
  const now = Date.now();
  const entries = timelineOf(picture, name);
  return (
    <section class="card">
      <h2>History</h2>
      {entries.length === 0 ? (
        <p class="muted">Nothing has happened to it lately.</p>
      ) : (
        <ol class="event-list">
          {entries.map((entry) =>
            "event" in entry ? (
              <EventLine key={entry.event.id} event={entry.event} now={now} isLinked={false} />
            ) : (
              <ChangeLine
                key={`${entry.at} ${entry.change.machineID} ${entry.change.to}`}
                {...entry}
                now={now}
              />
            ),
          )}
        </ol>
      )}
    </section>
  );
}

/** The latest first. */
function timelineOf(picture: Picture, name: string): readonly Entry[] {
  const events = picture.events
    .filter(({ unit }) => unit === name)
    .map((event): Entry => ({ at: Date.parse(event.at), event }));
  const changes = picture.changesOf(name).map((change): Entry => ({ at: change.at, change }));
  return [...events, ...changes].sort((one, other) => other.at - one.at).slice(0, shown);
}

interface ChangeLineProps {
  readonly at: number;
  readonly change: StateChange;
  readonly now: number;
}

function ChangeLine({ at, change, now }: ChangeLineProps) {
  const { from, to, machineID } = change;
  return (
    <li class="event change">
      <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
        {clockText(at, now)}
      </time>
      <span class="event-text">
        {to === undefined ? (
          <>no longer reported</>
        ) : (
          <>
            {from !== undefined && <span class="muted">{from} → </span>}
            {to}
          </>
        )}{" "}
        <span class="muted">
          on <span class="machine-id">{shortId(machineID)}</span>
        </span>
      </span>
    </li>
  );
}
