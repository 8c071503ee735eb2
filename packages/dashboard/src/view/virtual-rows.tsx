import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows rendered beyond what is seen, on either side, so that scrolling finds them there. */
const overscan = 12;

interface VirtualRowsProps {
  readonly count: number;
  /** Of every row, in CSS pixels. */
  readonly rowHeight: number;
  /** The element that scrolls. */
  readonly viewport: RefObject<HTMLElement | null>;
  /** A row that stays rendered wherever one scrolls, because it may have the focus. */
  readonly kept: number;
  readonly row: (index: number) => ComponentChildren;
}

/** The rows of a table of which only those in sight exist; the others are as much empty space. */
export function VirtualRows(props: VirtualRowsProps) {
  const { count, rowHeight, viewport, kept, row } = props;
  const [top, height] = useScroll(viewport, rowHeight);
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight), count - 1) - overscan);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan);
  const shown: number[] = [];
  if (kept >= 0 && kept < Math.min(first, count)) shown.push(kept);
  for (let index = first; index < end; index += 1) shown.push(index);
  if (kept >= end && kept < count) shown.push(kept);

  const rows: ComponentChildren[] = [];
  let next = 0;
  const space = (until: number): void => {
    if (until > next) rows.push(<Space key={`space-${rows.length}`} height={(until - next) * rowHeight} />);
  };
  for (const index of shown) {
    space(index);
    rows.push(row(index));
    next = index + 1;
  }
  space(count);
  return <tbody>{rows}</tbody>;
}

/** A single cell: one that spanned columns which the style sheet hides would bring them back, and take their width from the others. */
function Space({ height }: { readonly height: number }) {
  return (
    <tr class="space" style={{ height: `${height}px` }}>
      <td />
    </tr>
  );
}

/** Where the viewport is scrolled to, in steps of a row, and how high it is, in pixels. */
function useScroll(viewport: RefObject<HTMLElement | null>, rowHeight: number): readonly [number, number] {
  const [scroll, setScroll] = useState<readonly [number, number]>([0, 800]);
  const frame = useRef(0);
  useLayoutEffect(() => {
    const element = viewport.current;
    if (element === null) return;
    const measure = (): void => {
      frame.current = 0;
      const top = Math.floor(element.scrollTop / rowHeight) * rowHeight;
      const height = element.clientHeight;
      setScroll((known) => (known[0] === top && known[1] === height ? known : [top, height]));
    };
    const later = (): void => {
      if (frame.current === 0) frame.current = requestAnimationFrame(measure);
    };
    measure();
    element.addEventListener("scroll", later, { passive: true });
    const observer = new ResizeObserver(later);
    observer.observe(element);
    return () => {
      element.removeEventListener("scroll", later);
      observer.disconnect();
      cancelAnimationFrame(frame.current);
    };
  }, [viewport, rowHeight]);
  return scroll;
}

/** Arrow keys and their like: which row they lead to; undefined for other keys. */
function rowAfterKey(key: string, index: number, count: number, page: number): number | undefined {
  const to = (wanted: number): number => Math.max(0, Math.min(count - 1, wanted));
  switch (key) {
    case "ArrowDown":
      return to(index + 1);
    case "ArrowUp":
      return to(index - 1);
    case "PageDown":
      return to(index + page);
    case "PageUp":
      return to(index - page);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return undefined;
  }
}

/**
 * Which row of a list takes part in the order of focus, and how keys move it. Rows have `data-row` with their index; the
 * first link in one takes the focus. What it returns works for as long as the list is there, whatever becomes of the rows.
 */
export function useRowFocus(
  viewport: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
  headerHeight: number,
) {
  const latest = useRef({ count, rowHeight, headerHeight });
  latest.current = { count, rowHeight, headerHeight };
  // An object of its own each time: also who is to have the focus again is rendered again.
  const [{ index: chosen }, choose] = useState({ index: 0 });
  /** The row that gets the focus once it is rendered. */
  const wanted = useRef<number | undefined>(undefined);
  useLayoutEffect(() => {
    if (wanted.current === undefined) return;
    const link = viewport.current?.querySelector<HTMLElement>(`[data-row="${wanted.current}"] a`);
    wanted.current = undefined;
    link?.focus({ preventScroll: true });
  });
  const focusRow = (index: number): void => {
    if (viewport.current === null || latest.current.count === 0) return;
    scrollToRow(viewport.current, index, latest.current);
    wanted.current = index;
    choose({ index });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { count: rows, rowHeight: height } = latest.current;
    // Keys that come before the focus has moved go on from where it moves to.
    const from = wanted.current ?? rowOf(event.target);
    const page = Math.max(1, Math.floor((viewport.current?.clientHeight ?? 0) / height) - 1);
    const next = from === undefined ? undefined : rowAfterKey(event.key, from, rows, page);
    if (next === undefined) return;
    event.preventDefault();
    focusRow(next);
  };
  const onFocus = (index: number): void => choose({ index });
  return { active: Math.min(chosen, Math.max(0, count - 1)), focusRow, onFocus, onKeyDown };
}

function rowOf(target: EventTarget | null): number | undefined {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-row]") : null;
  return row === null ? undefined : Number(row.dataset.row);
}

interface RowGeometry {
  readonly rowHeight: number;
  readonly headerHeight: number;
}

/** Scrolls as little as it takes. */
function scrollToRow(element: HTMLElement, index: number, { rowHeight, headerHeight }: RowGeometry): void {
  const top = index * rowHeight;
  const lowest = top + rowHeight - (element.clientHeight - headerHeight);
  if (element.scrollTop > top) element.scrollTop = top;
  else if (element.scrollTop < lowest) element.scrollTop = lowest;
}
