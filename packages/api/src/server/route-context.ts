import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { message } from "../contract/messages.ts";
import type { OperationName } from "../contract/operations.ts";
import { query } from "../contract/paths.ts";
import type { ApiRegistry } from "../registry-port.ts";
import type { ClusterAccess } from "./cluster-access.ts";
import { decodePageToken, type PageRequest } from "./paging.ts";
import { Problem } from "./problem.ts";

/** What every route works with. */
export interface RouteContext {
  readonly registry: ApiRegistry;
  readonly access: ClusterAccess;
  /** Rows of a page. */
  readonly pageLimit: number;
}

/** Serves one operation: what it returns is sent as JSON with status 200, unless it sends an answer itself. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** What serves each operation. A stream begins as an upgrade of the connection, which never becomes a route. */
export type Handlers = { readonly [Name in Exclude<OperationName, "watch">]: Handler };

const nameShape = z.object({ unitName: z.string() });
const pageShape = z.object({
  [query.pageToken]: z.union([z.string(), z.array(z.string())]).optional(),
  // What makes no sense is no more than a wish that is not granted.
  [query.rows]: z.coerce.number().int().positive().catch(1).default(1),
});

/** The `unitName` of a path, percent-decoded. */
export function nameParameter(parameters: unknown): string {
  return nameShape.parse(parameters).unitName;
}

/** The body of a request. @throws Problem 400 when it has another shape. */
export function readBody<Body>(shape: z.ZodType<Body>, json: unknown): Body {
  const body = shape.safeParse(json);
  if (body.success) return body.data;
  const issue = body.error.issues[0];
  const why = issue === undefined ? "invalid" : `${issue.path.join(".") || "body"}: ${issue.message}`;
  throw new Problem(400, message.undecodable(why));
}

/** The page a request asks for, and how many more. @throws Problem 400 for a bad token. */
export function pageRequest(queryString: unknown, pageLimit: number): PageRequest {
  const { [query.pageToken]: given, [query.rows]: welcome } = pageShape.parse(queryString);
  if (given === undefined || given === "") return { token: undefined, welcome };
  if (typeof given !== "string") throw new Problem(400, message.pageToken);
  const token = decodePageToken(given, pageLimit);
  if (!token.ok) throw new Problem(400, token.problem);
  return { token: token.value, welcome };
}
