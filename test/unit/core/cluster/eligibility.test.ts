import { readFileSync } from "node:fs";
import {
  conflictBetween,
  type Eligibility,
  eligibility,
  matchesMachineId,
  metadataMismatch,
  type Occupant,
  replacesUnit,
  requirementsOf,
} from "@fleet/core";
import { describe, expect, it } from "vitest";

interface RecordedUnit {
  readonly name: string;
  readonly xFleet: readonly { readonly name: string; readonly value: string }[];
}

interface Situation {
  readonly machine: { readonly id: string; readonly metadata: Readonly<Record<string, string>> };
  readonly placed: readonly RecordedUnit[];
  readonly unit: RecordedUnit;
  readonly result: "able" | "unable" | "replaces";
  readonly cause?: string;
}

const cases = readFileSync(new URL("../../../fixtures/eligibility-cases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line): Situation => JSON.parse(line));

function read({ name, xFleet }: RecordedUnit) {
  const options = xFleet.map((option) => ({ section: "X-Fleet", ...option }));
  return { name, requirements: requirementsOf(name, options) };
}

function unit(name: string, ...xFleet: readonly string[]) {
  return read({
    name,
    xFleet: xFleet.map((line) => ({
      name: line.slice(0, line.indexOf("=")),
      value: line.slice(line.indexOf("=") + 1),
    })),
  });
}

/**
 * Here fleet answers "replaces" although it is the unit on the machine that replaces the candidate: fleet places
 * the candidate beside its replacer and moves it in the next round. A replaced unit must never run beside its
 * replacer, so ours keeps it away from the start.
 */
const keptAwayByItsReplacer: ReadonlySet<number> = new Set([
  69, 81, 231, 271, 328, 381, 388, 407, 420, 440, 453, 457, 458, 461, 478, 485, 488, 491, 497, 499, 512, 516,
  520, 521, 523,
]);

function inWords(verdict: Eligibility): string {
  return verdict.verdict === "unable" ? `unable ${verdict.reason.cause}` : verdict.verdict;
}

describe("fleet's own verdicts", () => {
  it("has all recorded situations", () => {
    expect(cases).toHaveLength(525);
  });

  it.each(cases.map((situation, index) => [index + 1, situation] as const))("case %i", (line, situation) => {
    const machine = {
      id: situation.machine.id,
      metadata: new Map(Object.entries(situation.machine.metadata)),
    };
    const verdict = eligibility(read(situation.unit), machine, situation.placed.map(read));
    const fleets = situation.result === "unable" ? `unable ${situation.cause}` : situation.result;
    expect(inWords(verdict)).toBe(keptAwayByItsReplacer.has(line) ? "unable Replaces" : fleets);
    expect(keptAwayByItsReplacer.has(line) ? fleets : "replaces").toMatch(/replaces/);
  });
});

const machine = { id: "0acdd9bf000000000000000000000001", metadata: new Map([["disk", "ssd"]]) };

describe("eligibility", () => {
  const situations: readonly (readonly [
    string,
    ReturnType<typeof unit>,
    readonly Occupant[],
    Eligibility,
  ])[] = [
    ["nothing asked", unit("a.service"), [], { verdict: "able" }],
    [
      "another machine asked for, before anything else is looked at",
      unit("a.service", "MachineID=ffff", "MachineMetadata=disk=hdd"),
      [],
      { verdict: "unable", reason: { cause: "MachineID", required: "ffff" } },
    ],
    [
      "the first key that does not match, with what the machine has",
      unit("a.service", "MachineMetadata=disk=hdd", "MachineMetadata=disk=tape", "MachineMetadata=zone=a"),
      [],
      {
        verdict: "unable",
        reason: { cause: "MachineMetadata", key: "disk", accepted: ["hdd", "tape"], actual: "ssd" },
      },
    ],
    [
      "a key the machine lacks",
      unit("a.service", "MachineMetadata=disk=ssd zone=a"),
      [],
      {
        verdict: "unable",
        reason: { cause: "MachineMetadata", key: "zone", accepted: ["a"], actual: undefined },
      },
    ],
    [
      "the peer that is not here",
      unit("a.service", "MachineOf=b.service", "MachineOf=c.service"),
      [unit("b.service")],
      { verdict: "unable", reason: { cause: "MachineOf", peer: "c.service" } },
    ],
    [
      "a peer that is leaving cannot be followed",
      unit("a.service", "MachineOf=b.service"),
      [{ ...unit("b.service"), held: true }],
      { verdict: "unable", reason: { cause: "MachineOf", peer: "b.service" } },
    ],
    [
      "a unit that is leaving still conflicts",
      unit("a.service", "Conflicts=b*"),
      [{ ...unit("b.service"), held: true }],
      {
        verdict: "unable",
        reason: { cause: "Conflicts", unit: "b.service", conflict: { declaredBy: "a.service", glob: "b*" } },
      },
    ],
    [
      "a unit without the option is kept away too, by the lowest name of several",
      unit("a.service"),
      [unit("c.service", "Conflicts=*"), unit("b.service", "Conflicts=a*")],
      {
        verdict: "unable",
        reason: { cause: "Conflicts", unit: "b.service", conflict: { declaredBy: "b.service", glob: "a*" } },
      },
    ],
    [
      "a unit whose file cannot be read is known by its name",
      unit("a.service", "Conflicts=b.service"),
      [{ name: "b.service", requirements: undefined }],
      {
        verdict: "unable",
        reason: {
          cause: "Conflicts",
          unit: "b.service",
          conflict: { declaredBy: "a.service", glob: "b.service" },
        },
      },
    ],
    [
      "a unit is not its own obstacle",
      unit("a.service", "Conflicts=*"),
      [unit("a.service", "Conflicts=*")],
      { verdict: "able" },
    ],
    [
      "all units it pushes away, sorted",
      unit("a.service", "Replaces=*"),
      [unit("c.service"), unit("a.service"), unit("b.service")],
      { verdict: "replaces", units: ["b.service", "c.service"] },
    ],
    [
      "a pair that replaces each other is ignored",
      unit("a.service", "Replaces=b.service"),
      [unit("b.service", "Replaces=a.service")],
      { verdict: "able" },
    ],
    [
      "its replacer keeps it away even if it would push another unit off",
      unit("a.service", "Replaces=b.service"),
      [unit("b.service"), unit("d.service", "Replaces=a*"), unit("c.service", "Replaces=?.service")],
      { verdict: "unable", reason: { cause: "Replaces", unit: "c.service", glob: "?.service" } },
    ],
  ];

  it.each(situations)("%s", (_title, candidate, occupants, expected) => {
    expect(eligibility(candidate, machine, occupants)).toEqual(expected);
    expect(eligibility(candidate, machine, [...occupants].reverse())).toEqual(expected);
  });
});

describe("the rules one by one", () => {
  it("takes a full or a short machine id, and no other prefix", () => {
    expect(matchesMachineId(machine.id, machine.id)).toBe(true);
    expect(matchesMachineId("0acdd9bf", machine.id)).toBe(true);
    expect(matchesMachineId("0acdd9b", machine.id)).toBe(false);
    expect(matchesMachineId("0acdd9bf0", machine.id)).toBe(false);
    expect(matchesMachineId("", machine.id)).toBe(false);
  });

  it("finds no mismatch where every key has one of its values", () => {
    const { requirements } = unit("a.service", 'MachineMetadata="disk=hdd" "disk=ssd"');
    expect(metadataMismatch(requirements, machine.metadata)).toBeUndefined();
  });

  it("sees the same conflict from both sides", () => {
    const a = unit("a.service");
    const b = unit("b.service", "Conflicts=a*");
    expect(conflictBetween(a, b)).toEqual({ declaredBy: "b.service", glob: "a*" });
    expect(conflictBetween(b, a)).toEqual({ declaredBy: "b.service", glob: "a*" });
    expect(conflictBetween(a, unit("c.service"))).toBeUndefined();
  });

  it("replaces in one direction only", () => {
    const a = unit("a.service", "Replaces=x* b*");
    const b = unit("b.service");
    expect(replacesUnit(a, b)).toBe("b*");
    expect(replacesUnit(b, a)).toBeUndefined();
    expect(replacesUnit(a, a)).toBeUndefined();
  });
});
