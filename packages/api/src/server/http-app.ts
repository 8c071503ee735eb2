import type { Logger } from "@fleet/runtime";
import { errorCode, errorMessage } from "@fleet/runtime";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { message } from "../contract/messages.ts";
import { type OperationName, operationList } from "../contract/operations.ts";
import { apiPrefixes, metricsPath } from "../contract/paths.ts";
import type { ErrorBody } from "../contract/wire.ts";
import { type ApiMetrics, operationsByRoute, otherOperation, routeUrl } from "./api-metrics.ts";
import { backupHandlers } from "./backup-routes.ts";
import { compressed } from "./compression.ts";
import { addDashboard, type Dashboard, dashboardRoutes } from "./dashboard-routes.ts";
import { documentHandlers } from "./document-routes.ts";
import { eventHandlers } from "./event-routes.ts";
import { addExposition, type Exposition } from "./exposition.ts";
import type { Foresight } from "./foresight.ts";
import { foresightHandlers } from "./foresight-routes.ts";
import { lossHandlers } from "./loss-routes.ts";
import { machineHandlers } from "./machine-routes.ts";
import { Problem, refusalOf } from "./problem.ts";
import { reseedHandlers } from "./reseed-routes.ts";
import { isWatchPath, resourceOf } from "./resources.ts";
import { restartHandlers } from "./restart-routes.ts";
import type { Handler, Handlers, RouteContext } from "./route-context.ts";
import { sameOrigin } from "./same-origin.ts";
import { stateHandlers } from "./state-routes.ts";
import { unitHandlers } from "./unit-routes.ts";

/**
 * A unit file is at most 1 MiB of text; as JSON each of its bytes may take six (`\u0001`), and the names of the
 * fields come on top. What still does not fit is made of nothing but escapes or of empty options.
 */
const bodyLimitBytes = 7 * 1024 * 1024;

/** Any the listeners let through: what is wrong with a name that is too long is said where names are read. */
const maxParameterLength = 32 * 1024;

export interface HttpAppOptions {
  readonly context: RouteContext;
  /** Goes into the `Server` header of every response. */
  readonly serverName: string;
  readonly logger: Logger;
  readonly metrics: ApiMetrics;
  readonly exposition: Exposition | undefined;
  readonly foresight: Foresight;
  readonly dashboard: Dashboard | undefined;
}

/** The routes, without any listener. */
export async function buildHttpApp(options: HttpAppOptions): Promise<FastifyInstance> {
  const { context, serverName, logger, metrics, exposition, foresight, dashboard } = options;
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = refusalOf(error);
    if (refusal.status >= 500) {
      const details = {
        method: request.method,
        route: request.routeOptions.url,
        code: errorCode(error),
        message: errorMessage(error),
      };
      // Clients of a daemon without etcd ask again and again; what keeps it from etcd is logged where it is found.
      if (refusal.unexpected) logger.error("api_request_failed", details);
      else logger.debug("api_request_refused", details);
    }
    const body: ErrorBody = { error: { code: refusal.status, message: refusal.message } };
    void reply
      .headers({ Server: serverName, "Content-Type": "application/json" })
      .code(refusal.status)
      // As bytes: what cannot be routed comes here without passing the hooks, and a text would get a charset.
      .send(Buffer.from(JSON.stringify(body)));
  };

  const app = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    routerOptions: { maxParamLength: maxParameterLength },
    frameworkErrors: (error, request, reply) => {
      answer(error, request, reply);
      // A path that cannot be decoded is answered without passing the hooks.
      metrics.answered(otherOperation, reply.statusCode);
    },
  });
  app.setErrorHandler(answer);
  app.setNotFoundHandler((request, reply) => answer(new Problem(404, message.notFound), request, reply));
  acceptBodies(app);
  app.addHook("onRequest", async (request, reply) => {
    void reply.header("Server", serverName);
    refuseEarly(request, reply);
  });
  app.addHook("onSend", bareContentType);
  app.addHook("onSend", compressed);
  countAnswers(app, metrics);
  const handlers: Handlers = {
    ...unitHandlers(context),
    ...stateHandlers(context),
    ...machineHandlers(context),
    ...restartHandlers(context),
    ...backupHandlers(context),
    ...reseedHandlers(context),
    ...lossHandlers(context),
    ...eventHandlers(context),
    ...foresightHandlers(context, foresight),
    ...documentHandlers(),
  };
  for (const prefix of apiPrefixes) {
    addRoutes(app, prefix, new Map(Object.entries(handlers)), () => context.access.refuseWhileReseeding());
  }
  addExposition(app, exposition);
  addDashboard(app, dashboard);
  await app.ready();
  return app;
}

/** Operations that change what units there are and what is wanted of them. */
const changesOfIntent: ReadonlySet<string> = new Set<OperationName>([
  "setUnit",
  "destroyUnit",
  "createRestart",
]);

function addRoutes(
  app: FastifyInstance,
  prefix: string,
  handlers: ReadonlyMap<string, Handler>,
  beforeIntent: () => Promise<void>,
): void {
  for (const [name, { method, path }] of operationList) {
    const handler = handlers.get(name);
    if (handler === undefined) continue;
    const url = routeUrl(prefix, path);
    app.route({ method, url, handler, ...(changesOfIntent.has(name) ? { preHandler: beforeIntent } : {}) });
  }
}

function countAnswers(app: FastifyInstance, metrics: ApiMetrics): void {
  const operations = new Map([
    ...operationsByRoute(apiPrefixes),
    [`GET ${metricsPath}`, "metrics"],
    ...dashboardRoutes.map((route) => [`GET ${route}`, "dashboard"] as const),
  ]);
  app.addHook("onResponse", async (request, reply) => {
    // HEAD goes with GET.
    const method = request.method === "HEAD" ? "GET" : request.method;
    const operation = operations.get(`${method} ${request.routeOptions.url}`) ?? otherOperation;
    metrics.answered(operation, reply.statusCode, reply.elapsedTime);
  });
}

/** JSON where a body is wanted; elsewhere whatever a client sends along is skipped, as fleet does. */
function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Fastify's parser refuses keys that would reach a prototype.
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, text, done) => {
    if (takesBody(request)) void parse(request, text, done);
    else done(null, undefined);
  });
  app.addContentTypeParser("*", (_request, payload, done) => {
    payload.resume();
    done(null, undefined);
  });
}

/** Whether it may change something: what browsers send an Origin with. */
function changes({ method }: FastifyRequest): boolean {
  return method !== "GET" && method !== "HEAD";
}

function takesBody({ method }: FastifyRequest): boolean {
  return method === "PUT" || method === "PATCH" || method === "POST";
}

/** As fleet has it. Fastify appends a charset, which JSON has none of and scripts that compare do not expect. */
async function bareContentType(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  const type = reply.getHeader("content-type");
  if (String(type).startsWith("application/json;")) void reply.header("content-type", "application/json");
  return payload;
}

/** What can be refused before the body is read. */
function refuseEarly(request: FastifyRequest, reply: FastifyReply): void {
  if (request.is404) {
    const path = request.url.split("?")[0] ?? "";
    const resource = resourceOf(path);
    if (resource === undefined) throw new Problem(404, message.notFound);
    if (isWatchPath(path) && (request.method === "GET" || request.method === "HEAD")) {
      void reply.header("Upgrade", "websocket");
      throw new Problem(426, message.upgradeRequired);
    }
    void reply.header("Allow", resource.methods.join(", "));
    throw new Problem(resource.otherMethods, message.method(resource.methods));
  }
  if (changes(request) && !sameOrigin(request.headers)) throw new Problem(403, message.foreignChange);
  if (takesBody(request)) {
    const type = (request.headers["content-type"] ?? "").split(";")[0] ?? "";
    if (type.trim().toLowerCase() !== "application/json") throw new Problem(415, message.contentType);
  }
}
