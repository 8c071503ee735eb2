import { z } from "zod";
import { splitStateKey, stateKey } from "../cache/view-change.ts";
import { message } from "../contract/messages.ts";
import { query } from "../contract/paths.ts";
import type { ApiUnitState, UnitStatePage } from "../contract/wire.ts";
import { pageOf } from "./paging.ts";
import { Problem } from "./problem.ts";
import { type Handlers, nameParameter, pageRequest, type RouteContext } from "./route-context.ts";

const text = z.string().min(1).optional().catch(undefined);
const filterShape = z.object({ [query.machineId]: text, [query.unitName]: text });

/** Unit states: what systemd reports, one per unit and machine. */
export function stateHandlers({
  access,
  pageLimit,
}: RouteContext): Pick<Handlers, "listUnitStates" | "getUnitState"> {
  return {
    listUnitStates: async (request): Promise<UnitStatePage> => {
      const wanted = pageRequest(request.query, pageLimit);
      const { machineID, unitName } = filterShape.parse(request.query);
      return access.view(0, (view) => {
        const listing = {
          keys: view.stateKeys,
          row: (key: string) =>
            machineID === undefined || splitStateKey(key).machineID === machineID
              ? view.state(key)
              : undefined,
          prefix: unitName === undefined ? "" : stateKey(unitName, ""),
        };
        const { rows, nextPageToken } = pageOf(listing, wanted, pageLimit);
        return { states: [...rows], nextPageToken };
      });
    },

    getUnitState: async (request): Promise<ApiUnitState> => {
      const name = nameParameter(request.params);
      const state = await access.view(0, (view) => view.stateOfUnit(name));
      if (state === undefined) throw new Problem(404, message.unitStateAbsent);
      return state;
    },
  };
}
