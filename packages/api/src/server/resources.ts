import { apiPrefixes } from "../contract/paths.ts";

interface Resource {
  readonly path: RegExp;
  /** Methods it takes, in the order error messages name them; HEAD goes with GET. */
  readonly methods: readonly string[];
}

const prefix = `(?:${apiPrefixes.join("|")})`;

function resource(path: string, methods: readonly string[]): Resource {
  return { path: new RegExp(`^${prefix}${path}$`), methods };
}

const resources: readonly Resource[] = [
  resource("/units", ["GET"]),
  resource("/units/[^/]+", ["GET", "PUT", "DELETE"]),
  resource("/state", ["GET"]),
  resource("/state/[^/]+", ["GET"]),
  resource("/machines", ["GET", "PATCH"]),
  resource("/watch", ["GET"]),
];

/** The methods a known path takes; undefined for an unknown path: tells 405 from 404. */
export function methodsOf(path: string): readonly string[] | undefined {
  return resources.find((known) => known.path.test(path))?.methods;
}

const watchPaths: ReadonlySet<string> = new Set(apiPrefixes.map((each) => `${each}/watch`));

export function isWatchPath(path: string): boolean {
  return watchPaths.has(path);
}
