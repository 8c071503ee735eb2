import { watchMessageShape } from "@fleet/api";
import { machineRows, Picture } from "@fleet/dashboard";
import { describe, expect, test } from "vitest";
import {
  delta,
  event,
  largeCluster,
  machine,
  machineId,
  snapshot,
  state,
  summary,
} from "./cluster-messages.ts";

const noon = Date.parse("2026-01-01T12:00:00Z");

/** A picture that was told these messages, one a second. */
function pictureOf(...messages: readonly unknown[]): Picture {
  const picture = new Picture();
  tell(picture, messages);
  return picture;
}

function tell(picture: Picture, messages: readonly unknown[], from = noon): void {
  for (const [index, json] of messages.entries()) {
    const message = watchMessageShape.parse(JSON.parse(JSON.stringify(json)));
    if (message.type !== "status") picture.apply(message, from + index * 1_000);
  }
}

const three = [machine(1, { region: "north" }), machine(2), machine(3)];

describe("phases of a unit", () => {
  const cases = [
    ["placed and running", summary("a.service", 1), state("a.service", 1), "active", "active (running)"],
    ["failed", summary("a.service", 1), state("a.service", 1, "failed", "failed"), "failed", "failed"],
    [
      "being started",
      summary("a.service", 1),
      state("a.service", 1, "activating", "start"),
      "starting",
      "activating (start)",
    ],
    [
      "reloading",
      summary("a.service", 1),
      state("a.service", 1, "reloading", "reload"),
      "starting",
      "reloading (reload)",
    ],
    ["placed and not reported", summary("a.service", 1), undefined, "starting", "not reported yet"],
    [
      "ended by itself",
      summary("a.service", 1),
      state("a.service", 1, "inactive", "dead"),
      "ended",
      "inactive (dead)",
    ],
    [
      "being stopped by systemd",
      summary("a.service", 1),
      state("a.service", 1, "deactivating", "stop"),
      "stopping",
      "deactivating (stop)",
    ],
    [
      "loaded",
      summary("a.service", 1, { desiredState: "loaded" }),
      state("a.service", 1, "inactive", "dead"),
      "loaded",
      "inactive (dead)",
    ],
    ["without a machine", summary("a.service", undefined), undefined, "waiting", "no machine"],
    [
      "stopped where it was before it is placed again",
      summary("a.service", undefined),
      state("a.service", 1, "deactivating", "stop"),
      "moving",
      "deactivating (stop)",
    ],
    ["on a machine that is away", summary("a.service", 9), undefined, "moving", "its machine is away"],
    ["not wanted", summary("a.service", undefined, { desiredState: "inactive" }), undefined, "inactive", ""],
    [
      "not wanted and still there",
      summary("a.service", 1, { desiredState: "inactive" }),
      state("a.service", 1),
      "stopping",
      "active (running)",
    ],
  ] as const;
  test.each(cases)("%s", (_, unit, row, phase, detail) => {
    const picture = pictureOf(
      snapshot({ machines: three, summaries: [unit], states: row === undefined ? [] : [row] }),
    );
    expect(picture.row("a.service")).toMatchObject({ phase, detail });
  });

  test("a problem with systemd is a failure, in its own words", () => {
    const refused = { ...state("a.service", 1, "inactive", "dead"), problem: "Unit has a bad setting" };
    const picture = pictureOf(
      snapshot({ machines: three, summaries: [summary("a.service", 1)], states: [refused] }),
    );
    expect(picture.row("a.service")).toMatchObject({ phase: "failed", detail: "Unit has a bad setting" });
  });

  test("of a global unit the worst counts", () => {
    const unit = summary("g.service", undefined, { global: true });
    const states = [state("g.service", 1), state("g.service", 2, "failed", "failed"), state("g.service", 3)];
    const picture = pictureOf(snapshot({ machines: three, summaries: [unit], states }));
    expect(picture.row("g.service")).toMatchObject({
      phase: "failed",
      detail: "active on 2 of 3",
      machine: undefined,
      reportedBy: [1, 2, 3].map(machineId),
    });
  });
});

describe("a picture", () => {
  const begun = snapshot({
    machines: three,
    summaries: [summary("a.service", 1), summary("b.service", 2), summary("c.service", 2)],
    states: [state("a.service", 1), state("b.service", 2), state("c.service", 2)],
  });
  /** The loss of machine 2, as the server tells of it: its lease, then the plan, then the starts. */
  const lost = delta(101, {
    machines: { put: [], removed: [machineId(2)] },
    states: {
      put: [],
      removed: [
        { name: "b.service", machineID: machineId(2) },
        { name: "c.service", machineID: machineId(2) },
      ],
    },
  });
  const placed = delta(102, {
    summaries: { put: [summary("b.service", 1), summary("c.service", 3)], removed: [] },
    events: [event("machine-lost", "machine lost", { machineID: machineId(2) })],
  });
  const bStarted = delta(103, { states: { put: [state("b.service", 1)], removed: [] } });
  const cStarted = delta(104, { states: { put: [state("c.service", 3)], removed: [] } });

  test("names stay sorted while units come and go, few or many", () => {
    const picture = pictureOf(
      begun,
      delta(101, {
        summaries: { put: [summary("aa.service", 1), summary("zz.service", 1)], removed: ["b.service"] },
      }),
    );
    expect(picture.unitNames).toEqual(["a.service", "aa.service", "c.service", "zz.service"]);
    const many = Array.from({ length: 200 }, (_, index) => summary(`n${index}.service`, 1));
    tell(picture, [delta(102, { summaries: { put: many, removed: ["a.service", "absent.service"] } })]);
    expect(picture.unitNames).toEqual([...picture.unitNames].sort());
    expect(picture.unitNames).toHaveLength(203);
    expect(picture.unitsOn(machineId(1)).size).toBe(202);
  });

  test("a row stays the same object until something of it changes", () => {
    const picture = pictureOf(begun);
    const [a, b] = [picture.row("a.service"), picture.row("b.service")];
    tell(picture, [
      delta(101, { states: { put: [state("b.service", 2, "failed", "failed")], removed: [] } }),
    ]);
    expect(picture.row("a.service")).toBe(a);
    expect(picture.row("b.service")).not.toBe(b);
  });

  test("what was there from the beginning has not changed", () => {
    const picture = pictureOf(begun);
    expect(picture.row("a.service")?.changedAt).toBe(0);
    expect(picture.changesOf("a.service")).toEqual([]);
    expect(picture.failovers()).toEqual([]);
  });

  test("a failover is seen as such, step by step", () => {
    const picture = pictureOf(begun);
    tell(picture, [lost], noon);
    expect(picture.row("b.service")).toMatchObject({ phase: "moving", machine: machineId(2) });
    expect(machineRows(picture)[0]).toMatchObject({
      id: machineId(2),
      status: "lost",
      units: 2,
      stranded: 2,
    });
    expect(picture.failovers()).toMatchObject([{ units: 2, arrived: 0, doneAt: undefined }]);

    tell(picture, [placed], noon + 1_000);
    expect(picture.row("b.service")).toMatchObject({
      phase: "starting",
      machine: machineId(1),
      move: { from: machineId(2), arrivedAt: undefined },
    });

    tell(picture, [bStarted], noon + 2_000);
    expect(picture.row("b.service")).toMatchObject({ phase: "active", move: { arrivedAt: noon + 2_000 } });
    expect(picture.failovers()).toMatchObject([{ units: 2, arrived: 1, doneAt: undefined }]);

    tell(picture, [cStarted], noon + 3_000);
    expect(picture.failovers()).toMatchObject([{ units: 2, arrived: 2, doneAt: noon + 3_000 }]);
    expect(machineRows(picture).map(({ id, status }) => [id, status])).toEqual([
      [machineId(2), "lost"],
      [machineId(1), "present"],
      [machineId(3), "present"],
    ]);
  });

  test("moves and losses are forgotten after a while", () => {
    const picture = pictureOf(begun, lost, placed, bStarted, cStarted);
    const { version } = picture;
    picture.expire(noon + 10_000);
    expect(picture.version).toBe(version);
    picture.expire(noon + 60_000);
    expect(picture.row("b.service")?.move).toBeUndefined();
    expect(picture.failovers()).toEqual([]);
    expect(picture.gone).toHaveLength(1);
    picture.expire(noon + 10 * 60_000);
    expect(picture.gone).toEqual([]);
    expect(picture.version).toBeGreaterThan(version);
  });

  test("a machine that comes back is no longer gone", () => {
    const picture = pictureOf(begun, lost, delta(102, { machines: { put: [machine(2)], removed: [] } }));
    expect(picture.gone).toEqual([]);
    expect(machineRows(picture).map(({ status }) => status)).toEqual(["present", "present", "present"]);
  });

  test("units that come back with their machine have moved nowhere", () => {
    const back = delta(102, { machines: { put: [machine(2)], removed: [] } });
    const picture = pictureOf(begun, lost);
    expect(picture.row("b.service")).toMatchObject({ phase: "moving", move: { from: machineId(2) } });
    tell(picture, [back]);
    expect(picture.row("b.service")).toMatchObject({ phase: "starting", move: undefined });
    tell(picture, [lost]);
    expect(picture.failovers()).toMatchObject([{ units: 2, arrived: 0 }]);
  });

  test("a unit that is placed again where it was has moved nowhere", () => {
    const picture = pictureOf(
      begun,
      delta(101, { summaries: { put: [summary("b.service", undefined)], removed: [] } }),
      delta(102, { summaries: { put: [summary("b.service", 2)], removed: [] } }),
    );
    expect(picture.row("b.service")).toMatchObject({ phase: "active", move: undefined });
  });

  test("a unit that somebody stopped is on no move", () => {
    const stopped = summary("b.service", undefined, { desiredState: "inactive" });
    const picture = pictureOf(begun, delta(101, { summaries: { put: [stopped], removed: [] } }));
    expect(picture.row("b.service")).toMatchObject({ phase: "stopping", move: undefined });
  });

  test("a machine leaves in order, by what the leader tells", () => {
    const leaving = event("machine-leaving", "leaves", { machineID: machineId(3) });
    const picture = pictureOf(begun, delta(101, { events: [leaving] }));
    expect(machineRows(picture).map(({ status }) => status)).toEqual(["present", "present", "leaving"]);
    const left = event("machine-left", "has left", { machineID: machineId(3) });
    tell(picture, [delta(102, { machines: { put: [], removed: [machineId(3)] }, events: [left] })]);
    expect(machineRows(picture)[0]).toMatchObject({ id: machineId(3), status: "left" });
  });

  test("what happened while the stream was cut off shows in the next snapshot", () => {
    const picture = pictureOf(
      begun,
      snapshot({
        revision: 200,
        machines: [machine(1), machine(3)],
        summaries: [summary("a.service", 1), summary("b.service", 3)],
        states: [state("a.service", 1), state("b.service", 3)],
      }),
    );
    expect(picture.row("b.service")).toMatchObject({ phase: "active", move: { from: machineId(2) } });
    expect(picture.unitNames).toEqual(["a.service", "b.service"]);
    expect(picture.statesOf("c.service").size).toBe(0);
    expect(picture.gone.map(({ id }) => id)).toEqual([machineId(2)]);
    expect(picture.position).toEqual({ revision: 200, cluster: "c1" });
  });

  test("another cluster begins anew", () => {
    const other = {
      ...snapshot({ machines: [machine(7)], summaries: [summary("x.service", 7)] }),
      cluster: "c2",
    };
    const picture = pictureOf(begun, lost, other);
    expect(picture.unitNames).toEqual(["x.service"]);
    expect(picture.machineIds).toEqual([machineId(7)]);
    expect([picture.gone, picture.events, picture.failovers()]).toEqual([[], [], []]);
    expect(picture.row("x.service")?.changedAt).toBe(0);
  });

  test("events are taken once, in their order", () => {
    const [one, two, three] = ["1", "2", "3"].map((text) => event("assigned", text));
    const picture = pictureOf(
      snapshot({ events: [one, two].flatMap((known) => known ?? []) }),
      snapshot({ revision: 101, events: [two, three].flatMap((known) => known ?? []) }),
    );
    expect(picture.events.map(({ text }) => text)).toEqual(["1", "2", "3"]);
  });

  test("states are noted as they change, with the time", () => {
    const picture = pictureOf(
      begun,
      delta(101, { states: { put: [state("a.service", 1, "deactivating", "stop")], removed: [] } }),
      // Told again, nothing new.
      delta(102, { states: { put: [state("a.service", 1, "deactivating", "stop")], removed: [] } }),
      delta(103, { states: { put: [], removed: [{ name: "a.service", machineID: machineId(1) }] } }),
    );
    expect(picture.changesOf("a.service")).toEqual([
      {
        at: noon + 1_000,
        unit: "a.service",
        machineID: machineId(1),
        from: "active (running)",
        to: "deactivating (stop)",
      },
      {
        at: noon + 3_000,
        unit: "a.service",
        machineID: machineId(1),
        from: "deactivating (stop)",
        to: undefined,
      },
    ]);
  });

  test("a large cluster's machines carry what was placed on them", () => {
    const picture = pictureOf(largeCluster(1_000, 10));
    expect(machineRows(picture).map(({ units }) => units)).toEqual(Array.from({ length: 10 }, () => 100));
  });
});
