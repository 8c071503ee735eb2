import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { message } from "../contract/messages.ts";
import { dashboardPath } from "../contract/paths.ts";
import { Problem } from "./problem.ts";

/** The page that shows the cluster, as it was built. */
export interface Dashboard {
  /** Whether it may change what is wanted of units. */
  readonly actions: boolean;
  /** A file of it by its name, which is one without directories; undefined: there is none. */
  file(name: string): Promise<Buffer | undefined>;
}

const page = "index.html";

/** By suffix. What has another one is no part of a dashboard. */
const contentTypes: ReadonlyMap<string, string> = new Map([
  ["html", "text/html; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["svg", "image/svg+xml"],
]);

/**
 * The page gets everything from where it came from, runs no script but its own, and stands in no frame of another page,
 * which could have its buttons pressed unseen.
 */
const pageHeaders = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
};

const fileName = z.object({ file: z.string() });

/** Routes of the dashboard, as they are called in the metrics. */
export const dashboardRoutes: readonly string[] = [
  dashboardPath,
  `${dashboardPath}/`,
  `${dashboardPath}/config.json`,
  `${dashboardPath}/:file`,
];

/** Serves the dashboard; without one all of its paths are unknown. It needs no store: it says itself that etcd is away. */
export function addDashboard(app: FastifyInstance, given: Dashboard | undefined): void {
  const dashboard = (): Dashboard => {
    if (given === undefined) throw new Problem(404, message.notFound);
    return given;
  };
  app.get(dashboardPath, async (_request, reply) => {
    dashboard();
    return reply.redirect(`${dashboardPath}/`, 308);
  });
  app.get(`${dashboardPath}/`, async (_request, reply) => sendFile(reply, dashboard(), page));
  app.get(`${dashboardPath}/config.json`, async (_request, reply) => {
    const { actions } = dashboard();
    return reply.headers({ ...pageHeaders, "Cache-Control": "no-store" }).send({ actions });
  });
  app.get(`${dashboardPath}/:file`, async (request, reply) =>
    sendFile(reply, dashboard(), fileName.parse(request.params).file),
  );
}

async function sendFile(reply: FastifyReply, dashboard: Dashboard, name: string): Promise<FastifyReply> {
  const type = contentTypes.get(name.slice(name.lastIndexOf(".") + 1));
  const file = type === undefined ? undefined : await dashboard.file(name);
  if (type === undefined || file === undefined) throw new Problem(404, message.notFound);
  // All but the page have a hash of their content in their name.
  const caching = name === page ? "no-cache" : "public, max-age=31536000, immutable";
  return reply.headers({ ...pageHeaders, "Content-Type": type, "Cache-Control": caching }).send(file);
}
