import { parseUnitName } from "@fleet/core";
import type { CreateRestartOutcome, RequestedRestart } from "@fleet/registry";
import { z } from "zod";
import { message } from "../contract/messages.ts";
import { type ApiRestart, maxRestartUnits, newRestartShape, type RestartList } from "../contract/restart.ts";
import { Problem } from "./problem.ts";
import { type Handlers, type RouteContext, readBody } from "./route-context.ts";

const idShape = z.object({ restartID: z.string() });
/** What ids are made of; a key is never built of anything else. */
const idPattern = /^[0-9a-f]{1,64}$/;

/** Requests to restart units, read from the store itself: there are few of them. */
export function restartHandlers({
  access,
  registry,
}: RouteContext): Pick<Handlers, "createRestart" | "listRestarts" | "getRestart" | "cancelRestart"> {
  return {
    createRestart: async (request, reply) => {
      const { units, parallel = 1 } = readBody(newRestartShape, request.body);
      const names = [...new Set(units)];
      if (names.length > maxRestartUnits) throw new Problem(413, message.tooManyUnits(maxRestartUnits));
      for (const name of names) {
        const parsed = parseUnitName(name);
        if (!parsed.ok) throw new Problem(404, message.namedUnitAbsent(name));
        if (parsed.value.isTemplate) throw new Problem(409, message.templateActive(name));
      }
      const outcome = await access.within(async () => {
        const created = await registry.restarts.create({ units: names, parallel });
        // It may have changed target states.
        if (created.outcome === "created") await access.caughtUp(created.restart.createRevision);
        return created;
      });
      if (outcome.outcome === "refused") throw refusalOf(outcome);
      return reply.code(201).send(shown(outcome.restart));
    },

    listRestarts: async (): Promise<RestartList> => {
      const restarts = await access.within(() => registry.restarts.list());
      return { restarts: restarts.map(shown) };
    },

    getRestart: async (request): Promise<ApiRestart> => {
      const id = restartId(request.params);
      const restart = await access.within(() => registry.restarts.read(id));
      if (restart === undefined) throw new Problem(404, message.restartAbsent);
      return shown(restart);
    },

    cancelRestart: async (request, reply) => {
      const id = restartId(request.params);
      const there = await access.within(() => registry.restarts.cancel(id));
      if (!there) throw new Problem(404, message.restartAbsent);
      return reply.code(204).send();
    },
  };
}

function restartId(parameters: unknown): string {
  const { restartID } = idShape.parse(parameters);
  if (!idPattern.test(restartID)) throw new Problem(404, message.restartAbsent);
  return restartID;
}

function refusalOf(outcome: Extract<CreateRestartOutcome, { outcome: "refused" }>): Problem {
  switch (outcome.reason) {
    case "absent":
      return new Problem(404, message.namedUnitAbsent(outcome.unit));
    case "inactive":
      return new Problem(409, message.restartInactive(outcome.unit));
    case "too_many_stopped":
      return new Problem(413, message.tooManyStopped(outcome.limit));
    case "too_many_restarts":
      return new Problem(503, message.tooManyRestarts(outcome.limit));
  }
}

function shown({ id, record }: RequestedRestart): ApiRestart {
  const { units, parallel, state, steps, message: reason } = record;
  return {
    id,
    units: [...units],
    parallel,
    state,
    steps: steps.map(({ unit, machineId, state: stepState, message: why }) => ({
      unit,
      ...(machineId === undefined ? {} : { machineID: machineId }),
      state: stepState,
      ...(why === undefined ? {} : { message: why }),
    })),
    ...(reason === undefined ? {} : { message: reason }),
  };
}
