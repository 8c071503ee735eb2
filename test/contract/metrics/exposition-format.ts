/**
 * Reads Prometheus' text format 0.0.4, and fails for whatever is not exactly as its description has it: a family is
 * introduced by HELP and TYPE, its samples follow at once, no series comes twice, a histogram adds up.
 */

interface Sample {
  /** With the suffix that a histogram's or summary's samples have. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export type Families = ReadonlyMap<string, Family>;

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const samplePattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPattern = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;
const numberPattern = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN)$/i;
const types = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);

interface OpenFamily {
  readonly name: string;
  readonly help: string;
  type: string | undefined;
  readonly samples: Sample[];
}

/** Families by name. Throws an Error that names the line. */
export function parseExposition(text: string): Families {
  if (!text.endsWith("\n")) throw new Error("the last line has no line feed");
  const families = new Map<string, OpenFamily>();
  const series = new Set<string>();
  let open: OpenFamily | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fail = (problem: string): never => {
      throw new Error(`line ${index + 1}: ${problem}: ${line}`);
    };
    if (line === "") continue;
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (!namePattern.test(name)) fail("not a name");
      if (families.has(name)) fail("a family that was there already");
      open = { name, help: rest, type: undefined, samples: [] };
      families.set(name, open);
    } else if (keyword === "TYPE") {
      if (open?.name !== name || open.type !== undefined) fail("TYPE does not follow its HELP");
      else if (!types.has(rest)) fail("no such type");
      else open.type = rest;
    } else if (line.startsWith("#")) {
      fail("neither HELP nor TYPE");
    } else {
      const sample = sampleOf(line) ?? fail("no sample");
      if (open?.type === undefined || !belongs(sample.name, open.name, open.type)) fail("of no open family");
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (series.has(key)) fail("a series that was there already");
      series.add(key);
      open?.samples.push(sample);
    }
  }
  return new Map(
    [...families.values()].map(({ name, help, type, samples }) => {
      if (type === undefined) throw new Error(`${name} has no TYPE`);
      if (type === "histogram") checkHistogram(name, samples);
      return [name, { name, help, type, samples }];
    }),
  );
}

/** The value of the one series that has these labels, and perhaps others; undefined: there is none. */
export function sampleValue(
  families: Families,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ""));
  if (family === undefined) throw new Error(`there is no metric ${name}`);
  const found = family.samples.filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length > 1) throw new Error(`${found.length} series of ${name} have ${JSON.stringify(labels)}`);
  return found[0]?.value;
}

function sampleOf(line: string): Sample | undefined {
  const [, name, labelText = "", number = ""] = samplePattern.exec(line) ?? [];
  const labels = labelsOf(labelText);
  if (name === undefined || labels === undefined || !numberPattern.test(number)) return undefined;
  return { name, labels, value: Number(number.replace(/Inf$/i, "Infinity")) };
}

function labelsOf(text: string): Readonly<Record<string, string>> | undefined {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ""; ) {
    const [whole, name, value] = labelPattern.exec(rest) ?? [];
    if (whole === undefined || name === undefined || value === undefined || name in labels) return undefined;
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  return labels;
}

function belongs(sample: string, family: string, type: string): boolean {
  if (type === "histogram") {
    return ["_bucket", "_sum", "_count"].some((suffix) => sample === `${family}${suffix}`);
  }
  return sample === family || (type === "summary" && [`${family}_sum`, `${family}_count`].includes(sample));
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const totals = samples.filter((sample) => sample.name === `${name}_count`);
  for (const { labels, value: count } of totals) {
    const buckets = samples.filter(
      (sample) =>
        sample.name === `${name}_bucket` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    const bounds = buckets.map(({ labels: { le = "" } }) => Number(le.replace("+Inf", "Infinity")));
    const ascending = (values: readonly number[]): boolean =>
      values.every((value, index) => index === 0 || value >= (values[index - 1] ?? Number.NaN));
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || !ascending(bounds))
      throw new Error(`${name}: bad bounds`);
    if (!ascending(buckets.map(({ value }) => value)) || buckets.at(-1)?.value !== count) {
      throw new Error(`${name} ${JSON.stringify(labels)}: the buckets do not add up to ${count}`);
    }
  }
}
