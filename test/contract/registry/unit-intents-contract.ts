import { type UnitOption, unitHash } from "@fleet/core";
import type { Registry } from "@fleet/registry";
import { describe, expect, test } from "vitest";
import { hello, other, type RegistryBench } from "./registry-bench.ts";

/** What users ask for, decided inside transactions. */
export function describeUnitIntents(bench: RegistryBench): void {
  const { prefix, ready, write, keysBelow } = bench;

  describe("intents", () => {
    type Step =
      | {
          put: { options?: readonly UnitOption[]; target?: "inactive" | "loaded" | "launched" };
          gives: string;
        }
      | { destroy: true; gives: string };

    const histories: readonly (readonly [string, readonly Step[]])[] = [
      ["no options: nothing to make it of", [{ put: { target: "launched" }, gives: "refused no_options" }]],
      ["created, inactive unless said otherwise", [{ put: { options: hello }, gives: "created inactive" }]],
      ["created with a target", [{ put: { options: hello, target: "launched" }, gives: "created launched" }]],
      [
        "no target for what is there",
        [
          { put: { options: hello, target: "loaded" }, gives: "created loaded" },
          { put: {}, gives: "refused no_target" },
          { put: { options: hello }, gives: "refused no_target" },
        ],
      ],
      [
        "the target alone changes",
        [
          { put: { options: hello }, gives: "created inactive" },
          { put: { target: "launched" }, gives: "changed launched" },
          { put: { target: "launched" }, gives: "unchanged launched" },
          { put: { options: hello, target: "launched" }, gives: "unchanged launched" },
          { put: { options: hello, target: "loaded" }, gives: "changed loaded" },
        ],
      ],
      [
        "other content replaces, and is inactive unless said otherwise",
        [
          { put: { options: hello, target: "launched" }, gives: "created launched" },
          { put: { options: other, target: "launched" }, gives: "replaced launched" },
          { put: { options: hello }, gives: "replaced inactive" },
        ],
      ],
      [
        "destroyed and submitted again",
        [
          { destroy: true, gives: "absent" },
          { put: { options: hello, target: "launched" }, gives: "created launched" },
          { destroy: true, gives: "destroyed" },
          { put: { target: "launched" }, gives: "refused no_options" },
          { put: { options: hello, target: "launched" }, gives: "created launched" },
        ],
      ],
    ];

    test.each(histories)("%s", async (_, steps) => {
      const { intents } = await ready(prefix());
      const unit = "hello.service";
      let generation = 0;
      for (const step of steps) {
        const result =
          "put" in step ? await intents.put({ name: unit, ...step.put }) : await intents.destroy(unit);
        const now = await intents.read(unit);
        const words: string[] = [result.outcome];
        if (result.outcome === "refused") words.push(result.reason);
        else if (now !== undefined) words.push(now.record.target);
        expect(words.join(" ")).toBe(step.gives);
        if (result.outcome === "unchanged") expect(now?.record.generation).toBe(generation);
        else if (result.outcome !== "refused" && now !== undefined) {
          expect(now.record.generation).toBeGreaterThan(generation);
          expect(now.modRevision).toBe("revision" in result ? result.revision : undefined);
          generation = now.record.generation;
        }
        if ("put" in step && step.put.options !== undefined && now !== undefined) {
          expect(now.options).toEqual(step.put.options);
          expect(now.record.hash).toBe(unitHash(step.put.options));
        }
      }
    });

    test("of many that create one unit at once exactly one does", async () => {
      const at = prefix();
      const machines = await Promise.all([ready(at), ready(at), ready(at)]);
      const outcomes = await Promise.all(
        machines.map(({ intents }) => intents.put({ name: "a.service", options: hello, target: "launched" })),
      );
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(["created", "unchanged", "unchanged"]);
    });

    test("concurrent changes all count, each with its own generation", async () => {
      const at = prefix();
      const machines = await Promise.all([ready(at), ready(at)]);
      await machines[0]?.intents.put({ name: "a.service", options: hello });
      const targets = ["loaded", "launched"] as const;
      const results = await Promise.all(
        machines.map(({ intents }, index) =>
          intents.put({ name: "a.service", target: targets[index] ?? "loaded" }),
        ),
      );
      const revisions = results.map((result) => ("revision" in result ? result.revision : 0));
      expect(new Set(revisions).size).toBe(2);
      const last = targets[revisions.indexOf(Math.max(...revisions))];
      expect((await machines[0]?.intents.read("a.service"))?.record.target).toBe(last);
    });

    test("a body is stored once per content and found by its hash", async () => {
      const at = prefix();
      const registry = await ready(at);
      await registry.intents.put({ name: "a.service", options: hello });
      await registry.intents.put({ name: "b.service", options: hello });
      expect(await keysBelow(`${at}bodies/`)).toEqual([unitHash(hello)]);
      expect(await registry.body(unitHash(hello))).toEqual(hello);
      expect(await registry.body(unitHash(other))).toBeUndefined();
    });

    test("a garbage record is an error, and content given anew repairs it", async () => {
      const at = prefix();
      const { intents } = await ready(at);
      await write(`${at}units/a.service`, "garbage");
      await expect(intents.read("a.service")).rejects.toMatchObject({ code: "record_corrupt" });
      expect(await intents.put({ name: "a.service", target: "loaded" })).toMatchObject({
        outcome: "refused",
      });
      expect(await intents.put({ name: "a.service", options: hello })).toMatchObject({
        outcome: "replaced",
      });
      expect((await intents.read("a.service"))?.options).toEqual(hello);
    });

    test("fields of later versions survive a change of target", async () => {
      const at = prefix();
      const { intents } = await ready(at);
      await intents.put({ name: "a.service", options: hello });
      const record = (await bench.raw.range({ from: `${at}units/a.service` })).rows[0]?.value ?? "{}";
      await write(`${at}units/a.service`, record.replace(/}$/, ',"later":[1]}'));
      await intents.put({ name: "a.service", target: "loaded" });
      const value = (await bench.raw.range({ from: `${at}units/a.service` })).rows[0]?.value ?? "";
      expect(JSON.parse(value)).toMatchObject({ v: 1, target: "loaded", later: [1] });
    });

    describe("a launched unit that is asked to launch", () => {
      const lines: readonly (readonly [
        string,
        readonly (readonly [active: string, problem?: string])[],
        string,
      ])[] = [
        ["has failed: it is tried again", [["failed"]], "retried"],
        ["has failed on one of its machines: it is tried again", [["active"], ["failed"]], "retried"],
        ["was refused by systemd: it is tried again", [["inactive", "not found"]], "retried"],
        ["runs: nothing to do", [["active"]], "unchanged"],
        ["has finished: nothing to do", [["inactive"]], "unchanged"],
        ["is started again by systemd itself: nothing to do", [["activating"]], "unchanged"],
        ["has no state anywhere: nothing to do", [], "unchanged"],
      ];

      test.each(lines)("%s", async (_, states, outcome) => {
        const at = prefix();
        const registry = await ready(at);
        const { intents } = registry;
        await intents.put({ name: "a.service", options: hello, target: "launched" });
        const before = (await intents.read("a.service"))?.record.generation ?? 0;
        for (const [index, [active, problem]] of states.entries()) {
          await present(at, registry, index, active, problem);
        }

        expect((await intents.put({ name: "a.service", target: "launched" })).outcome).toBe(outcome);
        const after = (await intents.read("a.service"))?.record;
        if (outcome === "unchanged") expect(after).toMatchObject({ generation: before });
        else {
          expect(after?.generation).toBeGreaterThan(before);
          expect(after?.retryOf).toBe(before);
        }
      });

      test("is not tried again because of a row without a machine, or of another unit", async () => {
        const at = prefix();
        const { intents } = await ready(at);
        await intents.put({ name: "a.service", options: hello, target: "launched" });
        await write(`${at}states/${"a".repeat(32)}/a.service`, stateRow("failed"));
        await write(`${at}states/${"b".repeat(32)}/b.service`, stateRow("failed"));
        expect((await intents.put({ name: "a.service", target: "launched" })).outcome).toBe("unchanged");
      });

      test("tried twice, it is still the first intent that is tried again; another intent ends that", async () => {
        const at = prefix();
        const registry = await ready(at);
        const { intents } = registry;
        await intents.put({ name: "a.service", options: hello, target: "launched" });
        const first = (await intents.read("a.service"))?.record.generation;
        await present(at, registry, 0, "failed");
        await intents.put({ name: "a.service", target: "launched" });
        await intents.put({ name: "a.service", target: "launched" });
        expect((await intents.read("a.service"))?.record.retryOf).toBe(first);
        await intents.put({ name: "a.service", target: "loaded" });
        expect((await intents.read("a.service"))?.record).not.toHaveProperty("retryOf");
      });
    });
  });

  /** A machine is registered, and reports this of a.service. */
  async function present(
    at: string,
    registry: Registry,
    index: number,
    active: string,
    problem?: string,
  ): Promise<void> {
    const machineId = `${index}`.padStart(32, "0");
    const request = { machineId, token: "t", publicIp: "", metadata: {}, version: "0", ttlMs: 60_000 };
    const outcome = await registry.registrations.register(request, bench.signal);
    expect(outcome.outcome).toBe("registered");
    await write(`${at}states/${machineId}/a.service`, stateRow(active, problem));
  }
}

function stateRow(active: string, problem?: string): string {
  const states = { load: "loaded", active, sub: active, launched: true };
  return JSON.stringify({ v: 1, hash: unitHash(hello), ...states, problem });
}
