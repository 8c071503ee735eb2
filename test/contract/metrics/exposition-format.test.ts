import { expect, test } from "vitest";
import { parseExposition, sampleValue } from "./exposition-format.ts";

const head = "# HELP a_total h\n# TYPE a_total counter\n";
const histogram = "# HELP h h\n# TYPE h histogram\n";

test.each([
  ["a line that does not end", `${head}a_total 1`, /no line feed/],
  ["a sample of no family", "a_total 1\n", /of no open family/],
  ["a sample of another family", `${head}b_total 1\n`, /of no open family/],
  ["TYPE without HELP", "# TYPE a_total counter\na_total 1\n", /does not follow/],
  ["a family without TYPE", "# HELP a_total h\n", /no TYPE/],
  ["a type that there is not", "# HELP a h\n# TYPE a info\n", /no such type/],
  ["a family twice", `${head}a_total 1\n${head}`, /already/],
  ["a series twice", `${head}a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 1\n`, /already/],
  ["a label twice", `${head}a_total{x="1",x="2"} 1\n`, /no sample/],
  ["a quote that is not escaped", `${head}a_total{x="1"2"} 1\n`, /no sample/],
  ["a value that is no number", `${head}a_total undefined\n`, /no sample/],
  ["a comment", "# hello\n", /neither/],
  ["a histogram without its end", `${histogram}h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n`, /bad bounds/],
  [
    "a histogram that does not add up",
    `${histogram}h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 3\n`,
    /add up/,
  ],
])("%s is refused", (_what, text, problem) => {
  expect(() => parseExposition(text)).toThrow(problem);
});

test("values are found by their labels, unescaped", () => {
  const families = parseExposition(
    `${head}a_total{x="a\\"b\\\\c\\nd",y="1"} 1.5e3\na_total{x="",y="1"} NaN\n`,
  );
  expect(sampleValue(families, "a_total", { x: 'a"b\\c\nd' })).toBe(1500);
  expect(sampleValue(families, "a_total", { x: "" })).toBeNaN();
  expect(sampleValue(families, "a_total", { x: "z" })).toBeUndefined();
  expect(() => sampleValue(families, "a_total", { y: "1" })).toThrow(/2 series/);
  expect(() => sampleValue(families, "b_total")).toThrow(/no metric/);
});
