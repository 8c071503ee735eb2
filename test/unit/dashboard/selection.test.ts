import {
  allUnits,
  formatRoute,
  Picture,
  parseRoute,
  type Route,
  select,
  type UnitFilter,
} from "@fleet/dashboard";
import { describe, expect, test } from "vitest";
import { machine, machineId, snapshot, state, summary } from "./cluster-messages.ts";

const picture = new Picture();
picture.apply(
  snapshot({
    machines: [machine(1), machine(2)],
    summaries: [
      summary("api.service", 2, { description: "Answers requests" }),
      summary("db.service", 1, { description: "Keeps the data" }),
      summary("gpu.service", undefined),
      summary("node.service", undefined, { global: true }),
      summary("web@1.service", 1, { description: "Answers the Web" }),
    ],
    states: [
      state("api.service", 2),
      state("db.service", 1, "failed", "failed"),
      state("node.service", 1),
      state("node.service", 2),
      state("web@1.service", 1),
    ],
  }),
  0,
);

function names(filter: Partial<UnitFilter>): readonly string[] {
  return select(picture, { ...allUnits, ...filter }).rows.map(({ name }) => name.replace(".service", ""));
}

describe("select", () => {
  test.each([
    ["all, by name", {}, ["api", "db", "gpu", "node", "web@1"]],
    ["backwards", { descending: true }, ["web@1", "node", "gpu", "db", "api"]],
    ["by state, the worst first", { sort: "state" }, ["db", "gpu", "api", "node", "web@1"]],
    ["by machine, those on none last", { sort: "machine" }, ["db", "web@1", "api", "gpu", "node"]],
    ["of one state", { phase: "active" }, ["api", "node", "web@1"]],
    ["on one machine, global ones among them", { machine: machineId(2) }, ["api", "node"]],
    ["with a text in the name", { text: "WEB@" }, ["web@1"]],
    ["with a text in the description", { text: "answers" }, ["api", "web@1"]],
    ["with several words, in any order", { text: " the answers " }, ["web@1"]],
    ["with a text that nothing has", { text: "zzz" }, []],
  ] as const)("%s", (_, filter, expected) => {
    expect(names(filter)).toEqual(expected);
  });

  test("counts states of what fits otherwise", () => {
    const { counts, total } = select(picture, { ...allUnits, phase: "failed", machine: machineId(1) });
    expect(total).toBe(3);
    expect(counts).toMatchObject({ active: 2, failed: 1, waiting: 0 });
  });
});

describe("routes", () => {
  const filter: UnitFilter = {
    phase: "failed",
    machine: machineId(1),
    text: "a b&c",
    sort: "machine",
    descending: true,
  };
  const routes: readonly Route[] = [
    { page: "overview", filter: allUnits },
    { page: "overview", filter },
    { page: "units", filter },
    { page: "unit", name: "web@1.service" },
    { page: "unit", name: "dev-disk-by\\x2dlabel.mount" },
    { page: "machines" },
    { page: "machine", id: machineId(1), filter },
    { page: "events" },
  ];
  test.each(routes.map((route) => [formatRoute(route), route] as const))("%s", (text, route) => {
    expect(parseRoute(text)).toEqual(route);
  });

  test.each(["", "#", "#/", "#/nonsense", "#/%E0%A4%A", "#/?state=odd&sort=odd"])(
    "%j leads to the overview",
    (text) => {
      expect(parseRoute(text)).toEqual({ page: "overview", filter: allUnits });
    },
  );
});
