import { useRef } from "preact/hooks";
import { allUnits, formatRoute, type MachineRow, machineRows, type Picture } from "../model/index.ts";
import { StateMark } from "./state-mark.tsx";
import { agoText, counted, numberText, shortId } from "./text.ts";
import { useNarrow } from "./use-narrow.ts";
import { useRowFocus, VirtualRows } from "./virtual-rows.tsx";

/** In CSS pixels, as in the style sheet. A phone has no room for metadata. */
const rowHeights = { narrow: 58, wide: 82 };

/** Machines: what each has to carry, and which have gone. */
export function MachinesPane({ picture }: { readonly picture: Picture }) {
  const rows = machineRows(picture);
  const rowHeight = useNarrow() ? rowHeights.narrow : rowHeights.wide;
  const viewport = useRef<HTMLDivElement>(null);
  const focus = useRowFocus(viewport, rows.length, rowHeight, 0);
  const most = Math.max(1, ...rows.map(({ units }) => units));
  const now = Date.now();
  const present = picture.machineIds.length;
  return (
    <section class="pane machines" aria-label="Machines">
      <h2 class="pane-title">
        <a href="#/machines">Machines</a> <span class="count">{numberText(present)}</span>
      </h2>
      <div class="table-viewport" ref={viewport}>
        <table class="machine-table" aria-label="Machines" aria-rowcount={rows.length}>
          <VirtualRows
            count={rows.length}
            rowHeight={rowHeight}
            viewport={viewport}
            kept={focus.active}
            row={(index) => {
              const row = rows[index];
              return (
                row && (
                  <tr key={row.id} class={`machine ${row.status}`} data-row={index} aria-rowindex={index + 1}>
                    <td>
                      <a
                        href={formatRoute({ page: "machine", id: row.id, filter: allUnits })}
                        tabIndex={index === focus.active ? 0 : -1}
                        onFocus={() => focus.onFocus(index)}
                        onKeyDown={focus.onKeyDown}
                      >
                        <MachineLine row={row} most={most} now={now} />
                      </a>
                    </td>
                  </tr>
                )
              );
            }}
          />
        </table>
        {rows.length === 0 && (
          <div class="empty">
            <p>No machine has joined.</p>
          </div>
        )}
      </div>
    </section>
  );
}

interface MachineLineProps {
  readonly row: MachineRow;
  /** Units on the machine that has most of them. */
  readonly most: number;
  readonly now: number;
}

function MachineLine({ row, most, now }: MachineLineProps) {
  // On the elements themselves: Chromium forgets to look below a row that changes its class as it is moved.
  const gone = row.goneAt === undefined ? "" : "gone";
  return (
    <>
      <span class="machine-line">
        <span class={`machine-id ${gone}`}>{shortId(row.id)}</span>
        <span class="machine-ip">{row.ip}</span>
        <MachineBadge row={row} now={now} />
      </span>
      <span class="machine-line">
        <span class={`load ${gone}`} aria-hidden="true">
          <span style={{ width: `${(row.units / most) * 100}%` }} />
        </span>
        <span class="load-text">{loadText(row)}</span>
        {row.goneAt === undefined && (row.troubled.failed ?? 0) > 0 && (
          <span class="phase-failed trouble">
            <StateMark phase="failed" />
            {numberText(row.troubled.failed ?? 0)} <span class="visually-hidden">failed</span>
          </span>
        )}
      </span>
      <span class="machine-line wide-only">
        <Metadata metadata={row.metadata} />
      </span>
    </>
  );
}

function loadText(row: MachineRow): string {
  if (row.goneAt === undefined) return counted(row.units, "unit");
  return row.stranded > 0
    ? `${row.stranded} of ${counted(row.units, "unit")} still to move`
    : `had ${counted(row.units, "unit")}`;
}

/** How a machine stands, where that is not just "there". */
export function MachineBadge({ row, now }: { readonly row: MachineRow; readonly now: number }) {
  switch (row.status) {
    case "present":
      return null;
    case "leaving":
      return <span class="badge leaving">leaving</span>;
    case "left":
      return <span class="badge leaving">left {agoText(now - (row.goneAt ?? now))}</span>;
    case "lost":
      return <span class="badge lost">lost {agoText(now - (row.goneAt ?? now))}</span>;
  }
}

export function Metadata({ metadata }: { readonly metadata: Readonly<Record<string, string>> }) {
  const pairs = Object.entries(metadata).sort(([one], [other]) => (one < other ? -1 : 1));
  return (
    <span class="metadata">
      {pairs.map(([key, value]) => (
        <span key={key} class="tag">
          {key}={value}
        </span>
      ))}
    </span>
  );
}
