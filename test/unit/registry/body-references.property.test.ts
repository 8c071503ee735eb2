import { type Change, type Entry, Projection } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import fc from "fast-check";
import { expect, test } from "vitest";

const hashes = ["h1", "h2", "h3"];
const referrers = ["unit a", "unit b", "assignment m1 a", "assignment m2 a", "assignment m1 b"] as const;

const status = fc.constantFrom("present", "corrupt", "absent");
const change = fc.oneof(
  fc.record({ subject: fc.constantFrom(...referrers), hash: fc.constantFrom(...hashes), status }),
  fc.record({ subject: fc.constant("body"), hash: fc.constantFrom(...hashes), status }),
);

function entry<Value>(value: Value, status: Entry<unknown>["status"], modRevision: number): Entry<Value> {
  switch (status) {
    case "present":
      return { status, value, createRevision: modRevision, modRevision };
    case "corrupt":
      return { status, problem: "not JSON", modRevision };
    case "absent":
      return { status, modRevision };
  }
}

function changeOf(
  subject: string,
  hash: string,
  status: Entry<unknown>["status"],
  modRevision: number,
): Change {
  const [kind, ...names] = subject.split(" ");
  const [first = "", second = ""] = names;
  const record = { hash, target: "loaded", generation: 1 } as const;
  switch (kind) {
    case "unit":
      return { kind, name: `${first}.service`, entry: entry(record, status, modRevision) };
    case "assignment": {
      const order = { ...record, awaits: [] };
      return { kind, machineId: first, unit: `${second}.service`, entry: entry(order, status, modRevision) };
    }
    default:
      return { kind: "body", hash, entry: entry([], status, modRevision) };
  }
}

test("the bodies that nothing refers to are found, and none while anything may refer to them", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const projection = new Projection(silentLogger);
      const present = new Map<string, number>();
      const referred = new Map<string, string>();
      for (const [index, { subject, hash, status }] of changes.entries()) {
        const revision = index + 1;
        projection.apply(changeOf(subject, hash, status, revision));
        if (subject === "body") {
          if (status === "present") present.set(hash, revision);
          else present.delete(hash);
        } else if (status === "absent") referred.delete(subject);
        else referred.set(subject, status === "corrupt" ? "?" : hash);
        const used = new Set(referred.values());
        const unused = [...present].filter(([each]) => !used.has("?") && !used.has(each));
        const found = projection.bodies.unused(10).map((body) => [body.hash, body.modRevision]);
        expect(found.sort()).toEqual(unused.sort());
      }
    }),
  );
});
