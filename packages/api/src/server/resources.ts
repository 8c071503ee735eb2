import { type Operation, operationList, operations } from "../contract/operations.ts";
import { apiPrefixes, dashboardPath, metricsPath } from "../contract/paths.ts";

/** One path with the operations on it. */
export interface Resource {
  readonly path: RegExp;
  /** Methods it takes, in the order error messages name them; HEAD goes with GET. */
  readonly methods: readonly string[];
  /** What other methods are answered with. */
  readonly otherMethods: number;
}

const prefix = `(?:${apiPrefixes.join("|")})`;

function pattern(path: string): RegExp {
  return new RegExp(`^${prefix}${path.replaceAll(".", "\\.").replaceAll(/\{[^}]+\}/g, "[^/]+")}$`);
}

const resources: readonly Resource[] = [
  ...[...operationsByPath()].map(([path, ofPath]) => ({
    path: pattern(path),
    methods: ofPath.map(({ method }) => method),
    otherMethods: ofPath.find(({ otherMethods }) => otherMethods !== undefined)?.otherMethods ?? 405,
  })),
  { path: new RegExp(`^${metricsPath}$`), methods: ["GET"], otherMethods: 405 },
  { path: new RegExp(`^${dashboardPath}(?:/[^/]*)?$`), methods: ["GET"], otherMethods: 405 },
];

function operationsByPath(): Map<string, Operation[]> {
  const byPath = new Map<string, Operation[]>();
  for (const [, operation] of operationList) {
    byPath.set(operation.path, [...(byPath.get(operation.path) ?? []), operation]);
  }
  return byPath;
}

/** What is known of a path; undefined for an unknown one: tells 405 from 404. */
export function resourceOf(path: string): Resource | undefined {
  return resources.find((known) => known.path.test(path));
}

const watchPath = pattern(operations.watch.path);

export function isWatchPath(path: string): boolean {
  return watchPath.test(path);
}
