import type { ApiUnitState } from "@fleet/api/client";
import { beforeEach, describe, expect, it } from "vitest";
import type { LiveRows } from "../../../../packages/fleetctl/src/live/live-rows.ts";
import { LiveTable } from "../../../../packages/fleetctl/src/live/live-table.ts";
import { paintFor } from "../../../../packages/fleetctl/src/output/colors.ts";
import { ManualClock, quiet } from "../../engine/manual-clock.ts";
import { key, liveRows, stateOf, work } from "./listed-units.ts";
import { ScreenTerminal } from "./screen-terminal.ts";

const none = { put: [], removed: [] };
const left: string[] = [];
let clock: ManualClock;
let terminal: ScreenTerminal;
let rows: LiveRows<ApiUnitState>;
let table: LiveTable;

/** A table of the units `u00`, `u01`, … on a terminal with room for seven. */
function show(count: number, color = "never"): void {
  clock = new ManualClock();
  terminal = new ScreenTerminal(9, 60);
  rows = liveRows({ markMs: 3_000 });
  table = new LiveTable({
    call: { clock, paint: paintFor(color, {}, false) },
    terminal,
    rows,
    heading: ["UNIT", "MACHINE", "ACTIVE"].map((text) => ({ text })),
    thing: "unit",
    leave: (how) => left.push(how),
  });
  const states = Array.from({ length: count }, (_, n) => stateOf(nameOf(n), "1"));
  rows.replace(states, [], clock.monotonic());
  table.first(rows.rows);
}

function nameOf(n: number): string {
  return `u${String(n).padStart(2, "0")}`;
}

function change(put: readonly ApiUnitState[], removed: readonly string[] = []): void {
  table.changed(rows.apply({ put, removed }, none, clock.monotonic()));
}

/** The names of the units on the screen, with their marks. */
function names(): string {
  const lines = terminal.screen.slice(1, -1);
  return lines
    .map((line) => line.slice(0, 6).replaceAll(" ", ""))
    .join(" ")
    .trimEnd();
}

beforeEach(() => {
  left.length = 0;
});

describe("the table on a terminal", () => {
  it("is there at once, on a screen of its own, with a line on how things stand", () => {
    show(2);
    expect(terminal.isAlternate).toBe(true);
    expect(terminal.screen).toEqual([
      "  UNIT  MACHINE  ACTIVE",
      "  u00   1        active",
      "  u01   1        active",
      ...["", "", "", "", ""],
      "2 units   connected   last change -   q leaves",
    ]);
  });

  it("writes the lines that are different, and no others", () => {
    show(3);
    clock.advance(1_000);
    terminal.written = "";
    change([stateOf("u01", "1", "failed")]);
    expect(terminal.written).toContain("* u01   1        failed");
    expect(terminal.written).not.toMatch(/u00|u02|UNIT/);
    expect(terminal.screen.at(-1)).toMatch(/^3 units {3}connected {3}last change \d\d:\d\d:01 {3}q leaves$/);
    terminal.written = "";
    clock.advance(500);
    table.changed([]);
    expect(terminal.written).toBe("");
  });

  it("marks what was added, changed and removed for three seconds", () => {
    show(3);
    clock.advance(1_000);
    change([stateOf("u01", "1", "failed"), stateOf("u03", "1")], ["u00\x001"]);
    expect(names()).toBe("-u00 *u01 u02 +u03");
    clock.advance(2_900);
    expect(names()).toContain("-u00");
    clock.advance(100);
    expect(names()).toBe("u01 u02 u03");
  });

  it("shows in colours which cells have changed", () => {
    show(2, "always");
    clock.advance(1_000);
    change([stateOf("u01", "1", "failed")]);
    expect(terminal.written).toContain("\u001b[7mfailed\u001b[27m");
    expect(terminal.written).not.toContain("\u001b[7mu01");
  });

  it("draws ten times a second at most, however much changes", () => {
    show(3);
    let draws = 0;
    const write = terminal.write;
    Object.assign(terminal, {
      write: (text: string) => {
        draws += 1;
        write(text);
      },
    });
    for (let n = 0; n < 2_000; n += 1) {
      change([stateOf("u01", "1", `s${n}`)]);
      clock.advance(1);
    }
    expect(draws).toBeLessThanOrEqual(21);
    expect(draws).toBeGreaterThanOrEqual(18);
    clock.advance(100);
    expect(terminal.screen[2]).toContain("s1999");
  });

  it("does nothing while nothing happens", () => {
    show(3);
    clock.advance(1_000);
    change([stateOf("u01", "1", "failed")]);
    clock.advance(10_000);
    terminal.written = "";
    for (let second = 0; second < 60; second += 1) clock.advance(1_000);
    expect(terminal.written).toBe("");
  });

  it("scrolls", () => {
    show(20);
    expect(names()).toBe("u00 u01 u02 u03 u04 u05 u06");
    const keys: readonly (readonly [string, string, string])[] = [
      ["\u001b[B", "u01", "u07"],
      ["\u001b[6~", "u07", "u13"],
      ["\u001b[6~", "u13", "u19"],
      ["\u001b[6~", "u13", "u19"],
      ["\u001b[A", "u12", "u18"],
      ["\u001b[5~", "u06", "u12"],
      ["\u001b[H", "u00", "u06"],
      ["\u001b[A", "u00", "u06"],
      ["\u001b[F", "u13", "u19"],
    ];
    for (const [typed, first, last] of keys) {
      terminal.type(typed);
      expect(names(), JSON.stringify(typed)).toMatch(new RegExp(`^${first} .* ${last}$`));
    }
    expect(terminal.screen.at(-1)).toContain("rows 14-20");
  });

  it("keeps the row at the top there while others come and go above it", () => {
    show(20);
    terminal.type("\u001b[6~");
    expect(names()).toMatch(/^u06 /);
    clock.advance(1_000);
    change([stateOf("a", "1"), stateOf("b", "1")], ["u01\x001"]);
    expect(names()).toMatch(/^u06 /);
    clock.advance(5_000);
    expect(names()).toMatch(/^u06 /);
    // It goes itself: the next one takes its place.
    change([], ["u06\x001"]);
    clock.advance(5_000);
    expect(names()).toMatch(/^u07 /);
    // Nothing is left below: the screen stays full.
    change(
      [],
      ["u07", "u08", "u09", "u10", "u11", "u12"].map((name) => key(name)),
    );
    clock.advance(5_000);
    expect(names()).toMatch(/ u19$/);
  });

  it("follows the size of the terminal, down to nothing", () => {
    show(20);
    terminal.resize(4, 12);
    expect(terminal.screen).toEqual(["  UNIT  MACH", "  u00   1", "  u01   1", "20 units   c"]);
    terminal.resize(1, 5);
    expect(terminal.screen).toHaveLength(1);
    terminal.resize(30, 60);
    expect(terminal.screen).toHaveLength(30);
    expect(terminal.screen[20]).toBe("  u19   1        active");
  });

  it("has its columns in line whatever characters are in them", () => {
    show(1);
    clock.advance(1_000);
    change([stateOf("ünï", "1"), stateOf("a\nb\u001b[2J", "1")]);
    const lines = terminal.screen.slice(1, 4);
    // As wide as the widest so far.
    expect(lines.map((line) => line.indexOf("active"))).toEqual([20, 20, 20]);
    expect(lines[0]).toContain("a b [2J");
  });

  it("keeps what it knows, and says since when it is out of date and why", () => {
    show(2);
    clock.advance(1_000);
    table.stale("connect ECONNREFUSED");
    clock.advance(5_000);
    table.stale("connect ETIMEDOUT");
    expect(terminal.screen.at(-1)).toMatch(
      /^2 units {3}STALE since \d\d:\d\d:01 {3}last change - {3}connect ETI$/,
    );
    expect(names()).toMatch(/^u00 u01$/);
    clock.advance(1_000);
    change([]);
    expect(terminal.screen.at(-1)).toContain("connected");
  });

  it.each([
    ["q", "asked"],
    ["\u0003", "interrupted"],
  ])("is left on %j", (typed, how) => {
    show(2);
    terminal.type(typed);
    expect(left).toEqual([how]);
    table.close();
    expect([terminal.isAlternate, terminal.isTaken]).toEqual([false, false]);
    terminal.written = "";
    change([stateOf("u00", "1", "failed")]);
    clock.advance(5_000);
    expect(terminal.written).toBe("");
  });

  it("gives the terminal back while it is suspended, and is there again with what came meanwhile", async () => {
    show(2);
    clock.advance(1_000);
    terminal.type("\u001a");
    expect([terminal.isAlternate, terminal.isTaken, terminal.suspended]).toEqual([false, false, 1]);
    change([stateOf("u01", "1", "failed")]);
    expect(terminal.isAlternate).toBe(false);
    await quiet();
    expect(terminal.isAlternate).toBe(true);
    expect(terminal.screen[2]).toBe("* u01   1        failed");
  });

  it("stays away when it is ended while it is suspended", async () => {
    show(2);
    terminal.type("\u001a");
    table.close();
    await quiet();
    expect([terminal.isAlternate, terminal.isTaken]).toEqual([false, false]);
  });
});

describe("a table of ten thousand rows", () => {
  it("is there at once, and takes a thousand changes with ease", () => {
    const startedMs = performance.now();
    show(10_000);
    const paintedMs = performance.now() - startedMs;
    expect(terminal.screen).toHaveLength(9);
    work.cells = 0;
    const changingMs = performance.now();
    for (let n = 0; n < 1_000; n += 1) {
      change([stateOf(nameOf(n * 10), "1", "failed"), stateOf(`v${n}`, "1")], [key(nameOf(n * 10 + 1))]);
      clock.advance(1);
    }
    const changedMs = performance.now() - changingMs;
    // The work is that of the rows that change: the time only shows it, on a host that may be busy with other things.
    expect(work.cells).toBe(6_000);
    expect(paintedMs).toBeLessThan(5_000);
    expect(changedMs).toBeLessThan(5_000);
  });
});
