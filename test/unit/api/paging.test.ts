import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SortedKeys } from "../../../packages/api/src/cache/sorted-keys.ts";
import {
  decodePageToken,
  encodePageToken,
  type PageRequest,
  type PageToken,
  pageOf,
} from "../../../packages/api/src/server/paging.ts";

function keysOf(names: Iterable<string>): SortedKeys {
  const keys = new SortedKeys();
  for (const name of names) keys.add(name);
  return keys;
}

function onePage(token?: PageToken): PageRequest {
  return { token, welcome: 1 };
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
        fc.integer({ min: 1, max: 20 }),
        (names, churns, limit, welcome) => {
          const keys = keysOf(names);
          const stable = new Set(names);
          const seen: string[] = [];
          let token: string | undefined;
          for (let turn = 0; ; turn += 1) {
            const request = token === undefined ? undefined : decodePageToken(token, limit);
            if (request !== undefined && !request.ok) throw new Error(request.problem);
            const page = pageOf({ keys, row: (key) => key }, { token: request?.value, welcome }, limit);
            expect(page.rows.length).toBeLessThanOrEqual(Math.max(limit, welcome));
            seen.push(...page.rows);
            if (page.nextPageToken === undefined) break;
            expect(page.rows.length).toBe(limit * Math.max(1, Math.floor(welcome / limit)));
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
    const first = pageOf({ keys, row: (key) => key }, onePage(), 2);
    const second = pageOf({ keys, row: (key) => key }, onePage({ page: 2, afterKey: "b" }), 2);
    expect([first.rows, second.rows, second.nextPageToken]).toEqual([["a", "b"], ["c", "d"], undefined]);
  });

  test("a bare token counts rows from the start, as fleet does", () => {
    const keys = keysOf(["a", "b", "c", "d", "e"]);
    const page = (number: number) =>
      pageOf({ keys, row: (key) => key }, onePage({ page: number, afterKey: undefined }), 2).rows;
    expect([page(1), page(2), page(3), page(9)]).toEqual([["a", "b"], ["c", "d"], ["e"], []]);
  });

  test("rows that are filtered out neither fill a page nor promise another", () => {
    const keys = keysOf(["a", "b", "c", "d", "e"]);
    const odd = (key: string) => (key === "b" || key === "d" ? undefined : key);
    expect(pageOf({ keys, row: odd }, onePage(), 3)).toEqual({
      rows: ["a", "c", "e"],
      nextPageToken: undefined,
    });
  });

  test("a prefix limits the keys on every page", () => {
    const keys = keysOf(["a1", "b1", "b2", "b3", "c1"]);
    const listing = { keys, row: (key: string) => key, prefix: "b" };
    expect(pageOf(listing, onePage(), 2).rows).toEqual(["b1", "b2"]);
    expect(pageOf(listing, onePage({ page: 2, afterKey: "b2" }), 2).rows).toEqual(["b3"]);
  });

  describe("several in one answer", () => {
    const many = keysOf(Array.from({ length: 2_500 }, (_, index) => String(index).padStart(5, "0")));

    test.each([
      ["none are welcome", 0, 100],
      ["less than two of them are welcome", 199, 100],
      ["two are", 299, 200],
      ["more are than an answer has", 10_000, 2_000],
    ])("%s", (_what, welcome, length) => {
      const first = pageOf({ keys: many, row: (key) => key }, { token: undefined, welcome }, 100);
      expect(first.rows).toEqual(listed(many).slice(0, length));
    });

    test("a page that is larger stays one", () => {
      const first = pageOf({ keys: many, row: (key) => key }, { token: undefined, welcome: 10_000 }, 2_400);
      expect(first.rows).toHaveLength(2_400);
    });

    test("the token after them is that of page after page, for those who count, too", () => {
      const { nextPageToken = "" } = pageOf(
        { keys: many, row: (key) => key },
        { token: undefined, welcome: 300 },
        100,
      );
      const expected = { page: 4, afterKey: "00299" };
      expect(decodePageToken(nextPageToken, 100)).toEqual({ ok: true, value: expected });
      const counted = onePage({ page: 4, afterKey: undefined });
      expect(pageOf({ keys: many, row: (key) => key }, counted, 100).rows[0]).toBe("00300");
    });

    test("long rows end the answer after a whole page", () => {
      const listing = { keys: many, row: (key: string) => key, weight: () => 30_000 };
      expect(pageOf(listing, { token: undefined, welcome: 1_000 }, 100).rows).toHaveLength(200);
    });
  });
});
