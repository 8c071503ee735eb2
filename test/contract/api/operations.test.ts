import { METHODS } from "node:http";
import { operationList } from "@fleet/api";
import { silentLogger, systemClock } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClusterCache } from "../../../packages/api/src/cache/cluster-cache.ts";
import { FollowedCache } from "../../../packages/api/src/cache/followed-cache.ts";
import { ModelView } from "../../../packages/api/src/cache/model-view.ts";
import { ClusterAccess } from "../../../packages/api/src/server/cluster-access.ts";
import { Foresight } from "../../../packages/api/src/server/foresight.ts";
import { buildHttpApp } from "../../../packages/api/src/server/http-app.ts";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const prefixes = ["/fleet/v1", "/v1-alpha"];
const watchPath = "/watch";

/** `GET /fleet/v1/units/:unitName`, one for each call of the table and each prefix, sorted. */
function described(): readonly string[] {
  return prefixes
    .flatMap((prefix) =>
      operationList.map(([, { method, path }]) => `${method} ${prefix}${path.replace(/\{(\w+)\}/, ":$1")}`),
    )
    .sort();
}

/** The framework's routes as a tree of path pieces with the methods they take: `│   └── /units (GET, HEAD)`. */
async function routed(): Promise<readonly string[]> {
  const registry = new RegistryTwin();
  const common = { registry, clock: systemClock };
  const following = { ...common, random: () => 0.5, logger: silentLogger, idleMs: 0 };
  const cache = new ClusterCache(following);
  const models = new FollowedCache<ModelView, void>({ ...following, begin: () => new ModelView() });
  const access = new ClusterAccess({ registry, cache, clock: systemClock, deadlineMs: 1, proofMs: 1 });
  const app = await buildHttpApp({
    context: { registry, access, pageLimit: 100 },
    serverName: "fleetd/9.9.9",
    logger: silentLogger,
    metrics: { answered: () => {} },
    exposition: undefined,
    foresight: new Foresight({ ...common, models, deadlineMs: 1, agentTtlMs: undefined }),
    dashboard: undefined,
  });
  const routes: string[] = [];
  const pieces: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split("\n")) {
    const [, indent = "", piece = "", methods = ""] = /^([│├└─ ]*)(\S+)(?: \((.+)\))?$/.exec(line) ?? [];
    if (piece === "") continue;
    pieces.splice(indent.length / 4 - 1, Number.POSITIVE_INFINITY, piece);
    for (const method of methods.split(", ")) {
      if (method !== "" && method !== "HEAD") routes.push(`${method} ${pieces.join("")}`);
    }
  }
  await app.close();
  await Promise.all([cache.close(), models.close()]);
  return routes.sort();
}

test("the routes are the table of operations, without streams, which are no routes, and metrics and dashboard, which are no API", async () => {
  const calls = described().filter((call) => !call.endsWith(watchPath));
  const others = ["/metrics", "/ui", "/ui/", "/ui/:file", "/ui/config.json"].map((path) => `GET ${path}`);
  expect(await routed()).toEqual([...calls, ...others].sort());
});

describe("a path of the table", () => {
  let served: ServedApi;

  beforeEach(async () => {
    served = await serveApi(new RegistryTwin());
  });

  afterEach(() => served.stop());

  const paths = [...new Set(operationList.map(([, { path }]) => path))];
  test.each(paths)("%s takes its own methods and refuses all others", async (path) => {
    const own = operationList.flatMap(([, operation]) => (operation.path === path ? [operation] : []));
    const refusal = own.find(({ otherMethods }) => otherMethods !== undefined)?.otherMethods ?? 405;
    // CONNECT is for proxies and has no path; QUERY is not known to every Node.
    for (const method of METHODS.filter((each) => each !== "CONNECT" && each !== "QUERY")) {
      const url = `/fleet/v1${path.replace(/\{\w+\}/, "a.service")}`;
      const answer = await served.ask(method, url);
      const isOwn = own.some(
        (each) => each.method === method || (each.method === "GET" && method === "HEAD"),
      );
      const isRefused = answer.status === refusal && answer.headers.allow !== undefined;
      expect([method, url, isRefused]).toEqual([method, url, !isOwn]);
      if (isRefused) expect(answer.headers.allow).toBe(own.map((each) => each.method).join(", "));
    }
  });
});
