import { Component } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import {
  formatRoute,
  type Picture,
  type SortKey,
  select,
  type UnitFilter,
  type UnitRow,
} from "../model/index.ts";
import { MachineName, MoveText } from "./machine-name.tsx";
import { StateFilter } from "./state-filter.tsx";
import { StateLabel, StateMark } from "./state-mark.tsx";
import { counted, numberText } from "./text.ts";
import { useNarrow } from "./use-narrow.ts";
import { useRowFocus, VirtualRows } from "./virtual-rows.tsx";

const rowHeights = { narrow: 56, wide: 34 };
const headerHeight = 34;
/** How long a row that has changed is pointed out, in milliseconds. */
const freshMs = 4_000;

interface UnitsPaneProps {
  readonly picture: Picture;
  readonly filter: UnitFilter;
  readonly setFilter: (filter: UnitFilter) => void;
  /** Left out on the page of a machine, whose units these are. */
  readonly withMachine?: boolean;
}

/** Units: search, filters, and the list of those that fit. */
export function UnitsPane({ picture, filter, setFilter, withMachine = true }: UnitsPaneProps) {
  const narrow = useNarrow();
  const rowHeight = narrow ? rowHeights.narrow : rowHeights.wide;
  const header = narrow ? 0 : headerHeight;
  const { version } = picture;
  // The picture is one and the same object, whose version tells when it has changed.
  const selection = useMemo(() => ({ version, ...select(picture, filter) }), [picture, version, filter]);
  const { rows, total } = selection;
  const viewport = useRef<HTMLDivElement>(null);
  const focus = useRowFocus(viewport, rows.length, rowHeight, header);
  const search = useRef<HTMLInputElement>(null);
  useSearchKey(search);
  const filterKey = JSON.stringify(filter);
  useEffect(() => {
    if (filterKey !== "") viewport.current?.scrollTo(0, 0);
  }, [filterKey]);

  const now = Date.now();
  return (
    <section class="pane units" aria-label="Units">
      <div class="toolbar">
        <div class="search">
          <input
            ref={search}
            type="search"
            placeholder="Search units"
            aria-label="Search units"
            autocomplete="off"
            spellcheck={false}
            value={filter.text}
            onInput={({ currentTarget }) => setFilter({ ...filter, text: currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown" || event.key === "Enter") {
                event.preventDefault();
                focus.focusRow(0);
              } else if (event.key === "Escape" && filter.text === "") event.currentTarget.blur();
            }}
          />
          <span class="key" aria-hidden="true">
            /
          </span>
        </div>
        {withMachine && filter.machine !== undefined && (
          <button
            type="button"
            class="filter-chip"
            onClick={() => setFilter({ ...filter, machine: undefined })}
            aria-label="Show the units of all machines"
          >
            on <MachineName picture={picture} id={filter.machine} /> <span aria-hidden="true">✕</span>
          </button>
        )}
        <StateFilter selection={selection} filter={filter} setFilter={setFilter} />
      </div>
      <p class="visually-hidden" role="status">
        {filter.text === "" ? "" : `${counted(rows.length, "unit")} found`}
      </p>
      <div class="table-viewport" ref={viewport}>
        <table class="unit-table" aria-label="Units" aria-rowcount={rows.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <SortHeader by="state" label="State" filter={filter} setFilter={setFilter} />
              <SortHeader by="name" label="Unit" filter={filter} setFilter={setFilter} />
              {withMachine && (
                <SortHeader by="machine" label="Machine" filter={filter} setFilter={setFilter} />
              )}
              <th scope="col" class="column-detail">
                systemd
              </th>
            </tr>
          </thead>
          <VirtualRows
            count={rows.length}
            rowHeight={rowHeight}
            viewport={viewport}
            kept={focus.active}
            row={(index) => {
              const row = rows[index];
              return (
                row && (
                  <UnitLine
                    key={row.name}
                    row={row}
                    index={index}
                    picture={picture}
                    withMachine={withMachine}
                    isFresh={now - row.changedAt < freshMs}
                    isActive={index === focus.active}
                    onFocus={focus.onFocus}
                    onKeyDown={focus.onKeyDown}
                  />
                )
              );
            }}
          />
        </table>
        {rows.length === 0 && (
          <NoUnits total={total} filter={filter} setFilter={setFilter} picture={picture} />
        )}
      </div>
      <p class="pane-foot">
        {rows.length === picture.unitNames.length
          ? counted(rows.length, "unit")
          : `${numberText(rows.length)} of ${counted(picture.unitNames.length, "unit")}`}
      </p>
    </section>
  );
}

/** `/` leads to the search, wherever nothing is being typed. */
function useSearchKey(search: { readonly current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLInputElement || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [search]);
}

interface SortHeaderProps {
  readonly by: SortKey;
  readonly label: string;
  readonly filter: UnitFilter;
  readonly setFilter: (filter: UnitFilter) => void;
}

function SortHeader({ by, label, filter, setFilter }: SortHeaderProps) {
  const isSorted = filter.sort === by;
  const descending = isSorted && filter.descending;
  const sorted = descending ? "descending" : "ascending";
  return (
    <th scope="col" class={`column-${by}`} aria-sort={isSorted ? sorted : "none"}>
      <button
        type="button"
        onClick={() => setFilter({ ...filter, sort: by, descending: isSorted && !descending })}
      >
        {label}
        <span class="sort-arrow" aria-hidden="true">
          {isSorted ? (descending ? "▼" : "▲") : ""}
        </span>
      </button>
    </th>
  );
}

interface UnitLineProps {
  readonly row: UnitRow;
  readonly index: number;
  readonly picture: Picture;
  readonly withMachine: boolean;
  readonly isFresh: boolean;
  readonly isActive: boolean;
  readonly onFocus: (index: number) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

/** Rendered again only for a row that has changed: rows are replaced, never altered. */
class UnitLine extends Component<UnitLineProps> {
  override shouldComponentUpdate(next: UnitLineProps): boolean {
    const { row, index, withMachine, isFresh, isActive } = this.props;
    return (
      row !== next.row ||
      index !== next.index ||
      withMachine !== next.withMachine ||
      isFresh !== next.isFresh ||
      isActive !== next.isActive
    );
  }

  override render() {
    const { row, index, picture, withMachine, isFresh, isActive, onFocus, onKeyDown } = this.props;
    return (
      <tr class={isFresh ? "fresh" : ""} data-row={index} aria-rowindex={index + 2}>
        <td class="column-state">
          <StateLabel phase={row.phase} />
        </td>
        <td class="column-name">
          <a
            href={formatRoute({ page: "unit", name: row.name })}
            tabIndex={isActive ? 0 : -1}
            onFocus={() => onFocus(index)}
            onKeyDown={onKeyDown}
          >
            <span class="narrow-only">
              <StateMark phase={row.phase} />
            </span>
            <span class="unit-name">{row.name}</span>
            {row.description !== "" && <span class="description">{row.description}</span>}
          </a>
          <span class="second-line narrow-only">
            <StateLabel phase={row.phase} />
            {withMachine && <UnitPlace row={row} picture={picture} />}
          </span>
        </td>
        {withMachine && (
          <td class="column-machine">
            <UnitPlace row={row} picture={picture} />
          </td>
        )}
        <td class="column-detail" title={row.detail}>
          {row.detail}
        </td>
      </tr>
    );
  }
}

function UnitPlace({ row, picture }: { readonly row: UnitRow; readonly picture: Picture }) {
  if (row.global) return <span class="muted">{counted(row.reportedBy.length, "machine")}</span>;
  if (row.move !== undefined) return <MoveText picture={picture} move={row.move} to={row.machine} />;
  if (row.machine === undefined) return <span class="muted">–</span>;
  return <MachineName picture={picture} id={row.machine} />;
}

interface NoUnitsProps {
  readonly total: number;
  readonly filter: UnitFilter;
  readonly setFilter: (filter: UnitFilter) => void;
  readonly picture: Picture;
}

function NoUnits({ filter, setFilter, picture }: NoUnitsProps) {
  if (picture.unitNames.length === 0) {
    return (
      <div class="empty">
        <p>The cluster has no units.</p>
        <p class="muted">
          <code>fleetctl start hello.service</code> submits and starts one.
        </p>
      </div>
    );
  }
  const isFiltered = filter.text !== "" || filter.phase !== undefined;
  return (
    <div class="empty">
      <p>{isFiltered ? "No unit fits." : "No units here."}</p>
      {isFiltered && (
        <button
          type="button"
          class="button"
          onClick={() => setFilter({ ...filter, text: "", phase: undefined })}
        >
          Clear the filters
        </button>
      )}
    </div>
  );
}
