import type { FastifyInstance } from "fastify";
import type { MachinePage } from "../contract/wire.ts";
import { pageOf } from "./paging.ts";
import { pageRequest, type RouteContext } from "./route-context.ts";

/** The machines present. */
export function machineRoutes(app: FastifyInstance, { access, pageLimit }: RouteContext): void {
  app.get("/machines", async (request): Promise<MachinePage> => {
    const token = pageRequest(request.query, pageLimit);
    return access.view(0, (view) => {
      const listing = { keys: view.machineIds, row: (id: string) => view.machine(id) };
      const { rows, nextPageToken } = pageOf(listing, token, pageLimit);
      return { machines: [...rows], nextPageToken };
    });
  });
}
