import type { ApiEvent } from "@fleet/api/contract";
import { allUnits, formatRoute, type Picture } from "../model/index.ts";
import { clockText, fullTime, numberText } from "./text.ts";

/** Events shown beside other things; all of them have a page of their own. */
const shownAside = 100;

type Weight = "bad" | "notable" | "plain";

const weights: Readonly<Record<ApiEvent["kind"], Weight>> = {
  assigned: "plain",
  moved: "notable",
  withdrawn: "plain",
  updated: "plain",
  waiting: "bad",
  "machine-joined": "notable",
  "machine-leaving": "notable",
  "machine-left": "notable",
  "machine-lost": "bad",
  "losses-held": "bad",
  "losses-released": "notable",
  "leader-elected": "notable",
  omitted: "plain",
};

interface EventsPaneProps {
  readonly picture: Picture;
  /** All that is known, instead of the latest. */
  readonly all?: boolean;
}

export function EventsPane({ picture, all = false }: EventsPaneProps) {
  const events = all ? picture.events : picture.events.slice(-shownAside);
  return (
    <section class="pane events" aria-label="Events">
      <h2 class="pane-title">
        <a href="#/events">Events</a>
        {all && <span class="count">{numberText(events.length)}</span>}
      </h2>
      {/* No live region: during a failover it would read for minutes. */}
      <div class="list-viewport">
        <EventList events={events} />
      </div>
    </section>
  );
}

/** The latest first. */
export function EventList({ events }: { readonly events: readonly ApiEvent[] }) {
  if (events.length === 0) {
    return (
      <div class="empty">
        <p>Nothing has happened lately.</p>
      </div>
    );
  }
  const now = Date.now();
  return (
    <ol class="event-list">
      {[...events].reverse().map((event) => (
        <EventLine key={event.id} event={event} now={now} />
      ))}
    </ol>
  );
}

interface EventLineProps {
  readonly event: ApiEvent;
  readonly now: number;
  /** Whether it leads to what it is about. */
  readonly isLinked?: boolean;
}

export function EventLine({ event, now, isLinked = true }: EventLineProps) {
  const at = Date.parse(event.at);
  const target = isLinked ? targetOf(event) : undefined;
  return (
    <li class={`event ${weights[event.kind] ?? "plain"}`}>
      <time dateTime={event.at} title={fullTime(at)}>
        {clockText(at, now)}
      </time>
      <span class="event-text">
        {target === undefined ? (
          <EventText {...event} />
        ) : (
          <a href={target}>
            <EventText {...event} />
          </a>
        )}
      </span>
    </li>
  );
}

/** The unit's name stands out, so that one finds it when looking down the list. */
function EventText({ text, unit }: Pick<ApiEvent, "text" | "unit">) {
  const at = unit === undefined ? -1 : text.indexOf(unit);
  if (unit === undefined || at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <b>{unit}</b>
      {text.slice(at + unit.length)}
    </>
  );
}

function targetOf({ unit, machineID }: ApiEvent): string | undefined {
  if (unit !== undefined) return formatRoute({ page: "unit", name: unit });
  if (machineID !== undefined) return formatRoute({ page: "machine", id: machineID, filter: allUnits });
  return undefined;
}
