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
import { z } from "zod";

const unitSchema = z.object({
  name: z.string(),
  xFleet: z.array(z.object({ name: z.string(), value: z.string() })),
});
const caseSchema = z.object({
  machine: z.object({ id: z.string(), metadata: z.record(z.string(), z.string()) }),
  placed: z.array(unitSchema),
  unit: unitSchema,
  result: z.enum(["able", "unable", "replaces"]),
  cause: z.string().optional(),
});

const cases = readFileSync(new URL("../../../fixtures/eligibility-cases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => caseSchema.parse(JSON.parse(line)));

function read({ name, xFleet }: z.infer<typeof unitSchema>) {
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

function inFleetsWords(verdict: Eligibility): string {
  switch (verdict.verdict) {
    case "able":
      return "able";
    case "replaces":
      return "replaces Replaces";
    case "unable":
      // Fleet has one verdict for both directions of Replaces and lets the replaced unit land beside its
      // replacer, to be pushed away in the next round. Ours keeps it away from the start.
      return verdict.reason.cause === "Replaces" ? "replaces Replaces" : `unable ${verdict.reason.cause}`;
  }
}

describe("fleet's own verdicts", () => {
  it("has all recorded situations", () => {
    expect(cases).toHaveLength(525);
  });

  it.each(cases.map((situation, index) => [index + 1, situation] as const))("case %i", (_line, situation) => {
    const machine = { id: situation.machine.id, metadata: new Map(Object.entries(situation.machine.metadata)) };
    const verdict = eligibility(read(situation.unit), machine, situation.placed.map(read));
    const expected = [situation.result, situation.cause].filter((word) => word !== undefined).join(" ");
    expect(inFleetsWords(verdict)).toBe(expected);
  });
});
