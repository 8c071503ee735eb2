import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SortedKeys } from "../../../packages/api/src/cache/sorted-keys.ts";
import { decodePageToken, encodePageToken, pageOf } from "../../../packages/api/src/server/paging.ts";

function keysOf(names: Iterable<string>): SortedKeys {
  const keys = new SortedKeys();
  for (const name of names) keys.add(name);
  return keys;
}

function listed(keys: SortedKeys): string[] {
  return Array.from({ length: keys.size }, (_, position) => keys.at(position) ?? "");
}

describe("sorted keys", () => {
  test("hold what a sorted set holds, after any changes", () => {
    const change = fc.record({ key: fc.string({ maxLength: 3 }), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const keys = new SortedKeys();
        const model = new Set<string>();
        for (const { key, add } of changes) {
          if (add) {
            keys.add(key);
            model.add(key);
          } else {
            keys.delete(key);
            model.delete(key);
          }
        }
        expect(listed(keys)).toEqual([...model].sort());
      }),
    );
  });
});

describe("page tokens", () => {
  test("read back what was written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff }),
        fc.integer({ min: 1, max: 0xffff }),
        fc.string({ unit: "grapheme", maxLength: 60 }),
        (limit, page, key) => {
          const text = encodePageToken(limit, { page, afterKey: key });
          expect(text).toMatch(/^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?$/);
          expect(decodePageToken(text, limit)).toEqual({
            ok: true,
            value: { page, afterKey: key === "" ? undefined : key },
          });
        },
      ),
    );
  });

  test.each([
    ["limit 100, page 2", "ZAACAA==", { ok: true, value: { page: 2, afterKey: undefined } }],
    ["without padding", "ZAACAA", { ok: true, value: { page: 2, afterKey: undefined } }],
    ["another limit", "ZQACAA==", { ok: false, problem: "token limit must be 100" }],
    ["page zero", "ZAAAAA==", { ok: false, problem: "token page must be greater than zero" }],
    ["too short", "ZAAC", { ok: false, problem: "token cannot be decoded" }],
    ["not base64", "!!!!!!!!", { ok: false, problem: "token cannot be decoded" }],
    ["too long", "ZAACAA".padEnd(4000, "A"), { ok: false, problem: "token cannot be decoded" }],
  ])("fleet's own form: %s", (_what, text, expected) => {
    expect(decodePageToken(text, 100)).toEqual(expected);
  });
});

describe("pages", () => {
  const name = fc.stringMatching(/^[a-e]{1,3}$/);
  const churn = fc.array(fc.record({ key: name, add: fc.boolean() }), { maxLength: 6 });

  test("list each stable row exactly once, whatever comes and goes between them, and never end empty", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { maxLength: 40 }),
        fc.array(churn, { maxLength: 12 }),
        fc.integer({ min: 1, max: 7 }),
        (names, churns, limit) => {
          const keys = keysOf(names);
          const stable = new Set(names);
          const seen: string[] = [];
          let token: string | undefined;
          for (let turn = 0; ; turn += 1) {
            const request = token === undefined ? undefined : decodePageToken(token, limit);
            if (request !== undefined && !request.ok) throw new Error(request.problem);
            const page = pageOf({ keys, row: (key) => key }, request?.value, limit);
            expect(page.rows.length).toBeLessThanOrEqual(limit);
            seen.push(...page.rows);
            if (page.nextPageToken === undefined) break;
            expect(page.rows.length).toBe(limit);
            token = page.nextPageToken;
            for (const { key, add } of churns[turn] ?? []) {
              if (add) keys.add(key);
              else {
                keys.delete(key);
                stable.delete(key);
              }
            }
          }
          expect(new Set(seen).size).toBe(seen.length);
          expect(seen).toEqual([...seen].sort());
          expect(seen.filter((key) => stable.has(key))).toEqual([...stable].sort());
        },
      ),
    );
  });

  test("an exact multiple of the limit has no empty page after it", () => {
    const keys = keysOf(["a", "b", "c", "d"]);
    const first = pageOf({ keys, row: (key) => key }, undefined, 2);
    const second = pageOf({ keys, row: (key) => key }, { page: 2, afterKey: "b" }, 2);
    expect([first.rows, second.rows, second.nextPageToken]).toEqual([["a", "b"], ["c", "d"], undefined]);
  });

  test("a bare token counts rows from the start, as fleet does", () => {
    const keys = keysOf(["a", "b", "c", "d", "e"]);
    const page = (number: number) =>
      pageOf({ keys, row: (key) => key }, { page: number, afterKey: undefined }, 2).rows;
    expect([page(1), page(2), page(3), page(9)]).toEqual([["a", "b"], ["c", "d"], ["e"], []]);
  });

  test("rows that are filtered out neither fill a page nor promise another", () => {
    const keys = keysOf(["a", "b", "c", "d", "e"]);
    const odd = (key: string) => (key === "b" || key === "d" ? undefined : key);
    expect(pageOf({ keys, row: odd }, undefined, 3)).toEqual({
      rows: ["a", "c", "e"],
      nextPageToken: undefined,
    });
  });

  test("a prefix limits the keys on every page", () => {
    const keys = keysOf(["a1", "b1", "b2", "b3", "c1"]);
    const listing = { keys, row: (key: string) => key, prefix: "b" };
    expect(pageOf(listing, undefined, 2).rows).toEqual(["b1", "b2"]);
    expect(pageOf(listing, { page: 2, afterKey: "b2" }, 2).rows).toEqual(["b3"]);
  });
});
