import { machineRowOf, type Picture, type UnitFilter } from "../model/index.ts";
import { EventList } from "./events-pane.tsx";
import { MachineBadge, Metadata } from "./machines-pane.tsx";
import { counted } from "./text.ts";
import { UnitsPane } from "./units-pane.tsx";

interface MachinePageProps {
  readonly picture: Picture;
  readonly id: string;
  readonly filter: UnitFilter;
  readonly setFilter: (filter: UnitFilter) => void;
}

export function MachinePage({ picture, id, filter, setFilter }: MachinePageProps) {
  const row = machineRowOf(picture, id);
  const events = picture.events.filter((event) => event.machineID === id || event.fromMachineID === id);
  return (
    <>
      <div class="subject">
        <p class="crumbs">
          <a href="#/machines">Machines</a>
        </p>
        <h1 class="machine-id">{id}</h1>
        {row === undefined ? (
          <p class="muted">No such machine is listed.</p>
        ) : (
          <p class="facts">
            <MachineBadge row={row} now={Date.now()} />
            {row.ip !== "" && <span class="machine-ip">{row.ip}</span>}
            <span>{counted(row.units, "unit")} placed</span>
            <Metadata metadata={row.metadata} />
          </p>
        )}
      </div>
      <div class="columns machine-columns">
        <UnitsPane picture={picture} filter={filter} setFilter={setFilter} withMachine={false} />
        <section class="pane events" aria-label="Events of this machine">
          <h2 class="pane-title">Events</h2>
          <div class="list-viewport">
            <EventList events={events} />
          </div>
        </section>
      </div>
    </>
  );
}
