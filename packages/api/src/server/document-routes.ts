import type { FastifyRequest } from "fastify";
import { apiPrefix, apiPrefixes } from "../contract/paths.ts";
import { discoveryDocument } from "./discovery-document.ts";
import { openApiDocument } from "./openapi-document.ts";
import type { Handlers } from "./route-context.ts";

/** The API's own descriptions. They need no store. */
export function documentHandlers(): Pick<Handlers, "getDiscovery" | "getOpenApi"> {
  return {
    getDiscovery: async (request) => discoveryDocument(rootUrlOf(request), prefixOf(request)),
    getOpenApi: async () => openApiDocument(),
  };
}

const authorityPattern = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;

/**
 * Clients put rootUrl before each path and need it absolute. What they have reached us by is what they sent as the
 * host: an address we listen on may mean nothing to them (a tunnel, a forwarded port), and a unix socket has none at
 * all; there the client has made up a host, and gets it back. Without a usable one only a relative URL is true.
 */
function rootUrlOf({ headers }: FastifyRequest): string {
  const host = headers.host ?? "";
  return authorityPattern.test(host) ? `http://${host}/` : "/";
}

function prefixOf({ url }: FastifyRequest): string {
  return apiPrefixes.find((prefix) => url.startsWith(`${prefix}/`)) ?? apiPrefix;
}
