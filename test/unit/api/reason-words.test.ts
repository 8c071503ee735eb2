import type { Cause, LeaveReason, Obstacle, UnitExplanation, WhyNot } from "@fleet/core";
import { describe, expect, test } from "vitest";
import { eventText } from "../../../packages/api/src/cache/event-text.ts";
import { shownStep } from "../../../packages/api/src/server/dry-run-words.ts";
import { shownExplanation } from "../../../packages/api/src/server/explanation-words.ts";

const machineId = "11111111222222223333333344444444";
const unit = "a.service";

describe("a unit that leaves", () => {
  const reasons: readonly (readonly [LeaveReason, { readonly peer?: string }])[] = [
    [{ kind: "destroyed" }, {}],
    [{ kind: "inactive" }, {}],
    [{ kind: "machine_gone" }, {}],
    [{ kind: "machine_leaving" }, {}],
    [{ kind: "machine_of", peer: "db.service" }, { peer: "db.service" }],
    [{ kind: "conflict", unit: "b.service" }, { peer: "b.service" }],
    [{ kind: "failed" }, {}],
    [{ kind: "replaced", unit: "b.service" }, { peer: "b.service" }],
  ];

  test.each(reasons)("%o reads the same in a dry run and as an event", (reason, told) => {
    const { text } = shownStep({ kind: "stop", unit, machineId, reason, waits: false });
    const event = eventText("withdrawn", {
      kind: "withdrawn",
      unit,
      machineId,
      reason: reason.kind,
      ...told,
    });
    expect(text.replace("stops on 11111111...", "")).toBe(
      event.replace("a.service was withdrawn from machine 11111111", ""),
    );
  });

  test.each<readonly [LeaveReason, string, string]>([
    [
      { kind: "machine_metadata", key: "region", accepted: ["eu", "us"] },
      "the machine lacks region=eu or region=us",
      "the machine lacks the metadata that it asks for",
    ],
    [
      { kind: "machine_id", required: "222" },
      "the machine is not the machine 222 of its MachineID",
      "the machine is not the machine of its MachineID",
    ],
    [
      { kind: "duplicate", kept: machineId },
      "it stays on 11111111... alone",
      "it stays on another machine alone",
    ],
  ])("%o is told of an event with what its record has", (reason, detailed, kept) => {
    const { text } = shownStep({ kind: "stop", unit, machineId, reason, waits: false });
    const event = eventText("withdrawn", { kind: "withdrawn", unit, machineId, reason: reason.kind });
    expect([text, event]).toEqual([
      `stops on 11111111...: ${detailed}`,
      `a.service was withdrawn from machine 11111111: ${kept}`,
    ]);
  });
});

describe("an assignment that changes", () => {
  test.each([
    [true, "content", "its unit file has changed"],
    [false, "target", "it is to be loaded"],
  ])("reads the same in a dry run and as an event", (content, word, reason) => {
    const assignment = { unit, machineId, hash: "x", generation: 2, target: "loaded", awaits: [] } as const;
    const step = shownStep({ kind: "update", assignment, content, target: true });
    expect(step).toMatchObject({ reason: word, text: `is given to 11111111... anew: ${reason}` });
    expect(eventText("updated", { kind: "updated", unit, machineId, reason: word, target: "loaded" })).toBe(
      `a.service was given to machine 11111111 anew: ${reason}`,
    );
  });
});

describe("a unit that waits", () => {
  const metadata: Obstacle = {
    cause: "MachineMetadata",
    key: "region",
    accepted: ["eu"],
    actual: undefined,
  };
  const conflict = { declaredBy: unit, glob: "b.service" };
  const cases: readonly (readonly [WhyNot, string, string])[] = [
    [{ kind: "closed", why: "leaving" }, "are leaving", "are leaving"],
    [{ kind: "closed", why: "away" }, "are away and may come back", "are away and may come back"],
    [
      { kind: "closed", why: "unreadable" },
      "have records that cannot be read",
      "have records that cannot be read",
    ],
    [
      unable({ cause: "MachineID", required: "22" }),
      "are not the machine 22 of its MachineID",
      "are not the machine of its MachineID",
    ],
    [unable(metadata), "lack region=eu", "lack the metadata that it asks for"],
    [
      unable({ cause: "MachineOf", peer: "db.service" }),
      "do not have db.service of its MachineOf",
      "do not have a unit of its MachineOf",
    ],
    [
      unable({ cause: "Conflicts", unit: "b.service", conflict }),
      "conflict with b.service",
      "conflict with it",
    ],
    [
      unable({ cause: "Replaces", unit: "b.service", glob: "a*" }),
      "have b.service, which replaces it",
      "have a unit that replaces it",
    ],
    [
      unable({ cause: "ReplacesBlocked", unit: "b.service", why: "nowhere_else" }),
      "have b.service, which it would replace and which can run nowhere else",
      "have a unit, which it would replace and which cannot go",
    ],
  ];

  test.each(cases)(
    "for %o reads the same in an explanation and, with less to tell, as an event",
    (why, explained, kept) => {
      const { causes, summary } = shownExplanation(
        waiting({ why, machines: 2, examples: [], obstacles: [] }),
      );
      const [cause] = causes;
      expect(cause?.text).toBe(explained);
      expect(summary).toBe(`a.service waits for a machine: both machines ${explained}.`);
      expect(waits({ cause: cause?.cause ?? "", machines: 2 })).toBe(
        `a.service waits for a machine: 2 machines ${kept}`,
      );
    },
  );

  test.each<readonly [WhyNot, string, string]>([
    [{ kind: "no_machine" }, "waits for a machine: none is present", "waits for a machine: none is present"],
    [
      { kind: "held" },
      "waits until it has been stopped on 11111111...",
      "waits until it has been stopped where it was",
    ],
    [
      { kind: "exclusive", machineId, stopMs: 90_000 },
      "has to wait until it has ended on 11111111...: agent_ttl and 90 s at most once nothing is heard from there",
      "has to wait until it has ended where it may still run",
    ],
  ])("%o is all there is to say", (why, explained, kept) => {
    const cause = { why, machines: 1, examples: [machineId], obstacles: undefined };
    expect(shownExplanation(waiting(cause)).summary).toBe(`a.service ${explained}.`);
    expect(waits({ cause: why.kind })).toBe(`a.service ${kept}`);
  });

  test("lists several causes, those of a later version by their word", () => {
    expect(waits({ cause: "leaving", machines: 1 }, { cause: "too_hot", machines: 2 })).toBe(
      "a.service waits for a machine: 1 machine is leaving and 2 are out of the question (too hot)",
    );
    expect(waits({ cause: "too_hot" })).toBe(
      "a.service waits for a machine: some machines are out of the question (too hot)",
    );
  });
});

function unable(obstacle: Obstacle): WhyNot {
  return { kind: "unable", obstacle, units: 1 };
}

function waiting(...causes: readonly Cause[]): UnitExplanation {
  return {
    unit,
    target: "launched",
    verdict: "waiting",
    requirements: undefined,
    machines: 2,
    placements: [],
    able: undefined,
    causes,
    nearest: undefined,
  };
}

function waits(...causes: readonly { readonly cause: string; readonly machines?: number }[]): string {
  return eventText("waiting", { kind: "waiting", unit, causes });
}
