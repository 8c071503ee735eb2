import fc from "fast-check";
import { expect, test } from "vitest";
import { Multimap } from "../../../../packages/core/src/cluster/multimap.ts";

const change = fc.record({
  key: fc.constantFrom("a", "b"),
  value: fc.constantFrom("1", "2", "3"),
  there: fc.boolean(),
});

test("a multimap has what was added and not deleted, read as a Set is", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const multimap = new Multimap();
      const expected = new Set<string>();
      for (const { key, value, there } of changes) {
        if (there) multimap.add(key, value);
        else multimap.delete(key, value);
        if (there) expected.add(key + value);
        else expected.delete(key + value);
        for (const each of ["a", "b"]) {
          const values = [...expected].filter((pair) => pair.startsWith(each)).map((pair) => pair.slice(1));
          expect([...multimap.get(each)].sort()).toEqual(values.sort());
          expect(multimap.get(each).size).toBe(values.length);
          for (const one of ["1", "2", "3"]) {
            expect(multimap.has(each, one)).toBe(values.includes(one));
            expect(multimap.get(each).has(one)).toBe(values.includes(one));
          }
        }
        expect([...multimap.keys()].sort()).toEqual(
          [...new Set([...expected].map(([first]) => first))].sort(),
        );
      }
    }),
  );
});
