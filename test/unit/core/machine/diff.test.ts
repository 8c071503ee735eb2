import {
  type AgentView,
  type Assignment,
  diff,
  fenceTasks,
  type JournalEntry,
  type Spared,
} from "@fleet/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const unit = "a.service";

function assignment(overrides: Partial<Assignment> = {}): Assignment {
  return { machineId: "m", unit, hash: "h1", target: "launched", generation: 7, awaits: [], ...overrides };
}

function entry(overrides: Partial<JournalEntry> = {}): JournalEntry {
  return { unit, hash: "h1", generation: 7, launched: true, phase: "loaded", ...overrides };
}

function view(overrides: {
  assignments?: readonly Assignment[];
  journal?: readonly JournalEntry[];
  unreadable?: readonly string[];
  spared?: Spared;
  settled?: boolean;
  leaving?: boolean;
}): AgentView {
  return {
    assignments: new Map((overrides.assignments ?? []).map((item) => [item.unit, item])),
    journal: new Map((overrides.journal ?? []).map((item) => [item.unit, item])),
    unreadable: new Set(overrides.unreadable ?? []),
    settled: overrides.settled ?? true,
    spared: overrides.spared ?? [],
    leaving: overrides.leaving ?? false,
  };
}

const cases: readonly {
  name: string;
  view: AgentView;
  tasks: readonly string[];
}[] = [
  { name: "nothing assigned, nothing written", view: view({}), tasks: [] },
  {
    name: "an arrival is loaded",
    view: view({ assignments: [assignment()] }),
    tasks: ["load a.service assigned"],
  },
  {
    name: "an intent carried out is left alone, whatever systemd shows",
    view: view({ assignments: [assignment()], journal: [entry()] }),
    tasks: [],
  },
  {
    name: "a new intent to run starts",
    view: view({ assignments: [assignment({ generation: 8 })], journal: [entry()] }),
    tasks: ["start a.service intent"],
  },
  {
    name: "a new intent not to run stops",
    view: view({ assignments: [assignment({ generation: 8, target: "loaded" })], journal: [entry()] }),
    tasks: ["stop a.service intent"],
  },
  {
    name: "new content is loaded after the old is unloaded",
    view: view({ assignments: [assignment({ hash: "h2", generation: 9 })], journal: [entry()] }),
    tasks: ["unload a.service replaced"],
  },
  {
    name: "a missing assignment means nothing before the registration is settled",
    view: view({ journal: [entry()], settled: false }),
    tasks: [],
  },
  {
    name: "a missing assignment unloads",
    view: view({ journal: [entry()] }),
    tasks: ["unload a.service unassigned"],
  },
  {
    name: "an unreadable assignment is not a missing one",
    view: view({ journal: [entry()], unreadable: [unit] }),
    tasks: [],
  },
  {
    name: "a spared unit stays without an assignment, and only that one",
    view: view({ journal: [entry(), entry({ unit: "b.service" })], spared: [unit] }),
    tasks: ["unload b.service unassigned"],
  },
  {
    name: "where all are spared nothing goes for want of an assignment",
    view: view({ journal: [entry()], spared: "all" }),
    tasks: [],
  },
  {
    name: "a spared unit follows its assignment all the same",
    view: view({
      assignments: [assignment({ generation: 8, target: "loaded" })],
      journal: [entry()],
      spared: [unit],
    }),
    tasks: ["stop a.service intent"],
  },
  {
    name: "an interrupted load is taken up again",
    view: view({ assignments: [assignment()], journal: [entry({ phase: "loading", generation: 0 })] }),
    tasks: ["load a.service interrupted"],
  },
  {
    name: "an interrupted unload is ended even when the unit is assigned again",
    view: view({ assignments: [assignment()], journal: [entry({ phase: "unloading" })], settled: false }),
    tasks: ["unload a.service interrupted"],
  },
  {
    name: "a replacer waits for what it replaces",
    view: view({
      assignments: [assignment({ awaits: ["b.service"] })],
      journal: [entry({ unit: "b.service" })],
    }),
    tasks: ["unload b.service unassigned"],
  },
  {
    name: "what systemd would not take is loaded anew for a new intent",
    view: view({
      assignments: [assignment({ generation: 8 })],
      journal: [entry({ problem: "no such alias" })],
    }),
    tasks: ["unload a.service replaced"],
  },
  {
    name: "what systemd would not take is not tried again without a new intent",
    view: view({ assignments: [assignment()], journal: [entry({ problem: "no such alias" })] }),
    tasks: [],
  },
  {
    name: "a restart that is ordered is due",
    view: view({ assignments: [assignment({ restart: 9 })], journal: [entry()] }),
    tasks: ["restart a.service requested"],
  },
  {
    name: "a restart is carried out once",
    view: view({
      assignments: [assignment({ restart: 9 }), assignment({ unit: "b.service" })],
      journal: [entry({ restart: { number: 9 } }), entry({ unit: "b.service", restart: { number: 9 } })],
    }),
    tasks: [],
  },
  {
    name: "a restart that was about to be carried out is",
    view: view({
      assignments: [assignment({ restart: 9 })],
      journal: [entry({ restart: { number: 4 }, restarting: { number: 9, invocation: "i" } })],
    }),
    tasks: ["restart a.service requested"],
  },
  {
    name: "a restart of what systemd would not take is answered, too",
    view: view({ assignments: [assignment({ restart: 9 })], journal: [entry({ problem: "no such alias" })] }),
    tasks: ["restart a.service requested"],
  },
  {
    name: "the start of a unit is its restart",
    view: view({ assignments: [assignment({ generation: 8, restart: 9 })], journal: [entry()] }),
    tasks: ["start a.service intent"],
  },
  {
    name: "what is not to run is not restarted",
    view: view({
      assignments: [assignment({ target: "loaded", restart: 9 })],
      journal: [entry({ launched: false })],
    }),
    tasks: [],
  },
  {
    name: "leaving unloads everything and loads nothing",
    view: view({
      assignments: [assignment(), assignment({ unit: "c.service" })],
      journal: [entry(), entry({ unit: "b.service" })],
      settled: false,
      leaving: true,
    }),
    tasks: ["unload a.service leaving", "unload b.service leaving"],
  },
];

describe("diff", () => {
  test.each(cases)("$name", ({ view: given, tasks }) => {
    expect(diff(given).map((task) => `${task.kind} ${task.unit} ${task.reason}`)).toEqual(tasks);
  });

  const names = ["a.service", "b.service", "c.service"];
  const anyAssignment = fc.record({
    unit: fc.constantFrom(...names),
    hash: fc.constantFrom("h1", "h2"),
    target: fc.constantFrom("loaded", "launched"),
    generation: fc.integer({ min: 1, max: 3 }),
    awaits: fc.subarray(names),
  });
  const anyEntry = fc.record({
    unit: fc.constantFrom(...names),
    hash: fc.constantFrom("h1", "h2"),
    generation: fc.integer({ min: 0, max: 3 }),
    launched: fc.boolean(),
    phase: fc.constantFrom("loading", "loaded", "unloading"),
  });

  test("nothing is ever unloaded for want of an assignment before the registration is settled", () => {
    fc.assert(
      fc.property(fc.array(anyAssignment), fc.array(anyEntry), (assignments, journal) => {
        const tasks = diff(
          view({ assignments: assignments.map((item) => assignment(item)), journal, settled: false }),
        );
        expect(tasks.filter((task) => task.kind === "unload" && task.reason === "unassigned")).toEqual([]);
      }),
    );
  });

  test("carrying out the tasks leads to rest", () => {
    fc.assert(
      fc.property(fc.array(anyAssignment), fc.array(anyEntry), (wanted, remembered) => {
        const given = view({
          assignments: wanted.map((item) => assignment({ ...item, awaits: [] })),
          journal: remembered,
        });
        const journal = new Map(given.journal);
        for (let round = 0; round < 4; round += 1) {
          for (const task of diff({ ...given, journal })) {
            if (task.kind === "unload") journal.delete(task.unit);
            else if (task.kind !== "fence") {
              const { hash, generation, target } = task.assignment;
              journal.set(
                task.unit,
                entry({ unit: task.unit, hash, generation, launched: target === "launched" }),
              );
            }
          }
        }
        expect(diff({ ...given, journal })).toEqual([]);
        expect([...journal.keys()].sort()).toEqual([...given.assignments.keys()].sort());
      }),
    );
  });
});

describe("fenceTasks", () => {
  const exclusive = { exclusive: true } as const;
  const cases: readonly (readonly [string, JournalEntry, readonly string[], readonly string[]])[] = [
    ["an exclusive unit stops", entry({ unit: "a.service", ...exclusive }), [], ["fence a.service"]],
    ["one that has stopped is done with", entry({ unit: "a.service", ...exclusive }), ["a.service"], []],
    ["another unit runs on", entry({ unit: "a.service" }), [], []],
    [
      "half an unload is ended",
      entry({ unit: "a.service", ...exclusive, phase: "unloading" }),
      [],
      ["unload a.service"],
    ],
  ];
  test.each(cases)("%s", (_what, journal, stopped, expected) => {
    const tasks = fenceTasks(new Map([[journal.unit, journal]]), new Set(stopped));
    expect(tasks.map(({ kind, unit }) => `${kind} ${unit}`)).toEqual(expected);
  });

  test("a unit that systemd's timer has stopped is looked after before its order is", () => {
    const order = assignment({ unit: "a.service" });
    const journal = entry({
      unit: "a.service",
      generation: order.generation,
      hash: order.hash,
      ...exclusive,
    });
    const given = view({ assignments: [order], journal: [journal] });
    expect(diff({ ...given, fired: new Set(["a.service"]) })).toEqual([
      { kind: "fence", unit: "a.service", reason: "fired" },
    ]);
    expect(diff(given)).toEqual([]);
  });
});
