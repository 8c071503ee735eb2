import { z } from "zod";
import type { EventList } from "../contract/events.ts";
import { message } from "../contract/messages.ts";
import { query } from "../contract/paths.ts";
import { Problem } from "./problem.ts";
import type { Handlers, RouteContext } from "./route-context.ts";

const text = z.string().min(1).optional().catch(undefined);
const filterShape = z.object({
  [query.unit]: text,
  [query.machine]: text,
  // More than there can be.
  [query.limit]: z.coerce.number().int().positive().default(Number.MAX_SAFE_INTEGER),
});

/** What the leader has decided and noticed lately. */
export function eventHandlers({ access }: RouteContext): Pick<Handlers, "listEvents"> {
  return {
    listEvents: async (request): Promise<EventList> => {
      const asked = filterShape.safeParse(request.query);
      if (!asked.success) throw new Problem(400, message.badLimit);
      const { unit, machine, limit } = asked.data;
      const events = await access.view(0, (view) =>
        view.events.latest({
          limit,
          ...(unit === undefined ? {} : { units: new Set([unit]) }),
          ...(machine === undefined ? {} : { machine }),
        }),
      );
      return { events };
    },
  };
}
