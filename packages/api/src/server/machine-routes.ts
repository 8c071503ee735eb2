import type { MetadataChange } from "@fleet/registry";
import { message } from "../contract/messages.ts";
import { type ApiMachine, type MachinePage, type MachinePatch, machinePatchShape } from "../contract/wire.ts";
import { pageOf } from "./paging.ts";
import { Problem } from "./problem.ts";
import { type Handlers, pageRequest, type RouteContext, readBody } from "./route-context.ts";

/** The machines present, and the metadata of any. */
export function machineHandlers({
  access,
  registry,
  pageLimit,
}: RouteContext): Pick<Handlers, "listMachines" | "patchMachines"> {
  return {
    listMachines: async (request): Promise<MachinePage> => {
      const wanted = pageRequest(request.query, pageLimit);
      return access.view(0, (view) => {
        const listing = {
          keys: view.machineIds,
          row: (id: string) => view.machine(id),
          weight: metadataLength,
        };
        const { rows, nextPageToken } = pageOf(listing, wanted, pageLimit);
        return { machines: [...rows], nextPageToken, ...view.losses() };
      });
    },

    patchMachines: async (request, reply) => {
      // All of it is read before any of it is carried out.
      const changes = readBody(machinePatchShape, request.body).map(readChange);
      await access.within(async () => {
        const revision = await registry.metadata.apply(changes);
        if (revision !== undefined) await access.caughtUp(revision);
      });
      return reply.code(204).send();
    },
  };
}

function metadataLength({ metadata = {} }: ApiMachine): number {
  return Object.values(metadata).reduce((length, value) => length + value.length, 0);
}

function readChange({ op, path, value }: MachinePatch[number]): MetadataChange {
  if (op !== "add" && op !== "replace" && op !== "remove") throw new Problem(400, message.metadataOperation);
  const [, machineId, key] = /^\/([^/]+)\/metadata\/([A-Za-z0-9_.-]+)$/.exec(path ?? "") ?? [];
  if (machineId === undefined || key === undefined) throw new Problem(400, message.metadataPath);
  if (op === "remove") return { machineId, key, value: undefined };
  const text = typeof value === "string" ? value : value?.value;
  // fleet 1.0 took an empty value for none, too.
  if (text === undefined || text === null || text === "") throw new Problem(400, message.metadataValue);
  return { machineId, key, value: text };
}
