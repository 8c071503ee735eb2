import { isGlobalUnit, parseUnitName, type TargetState, type UnitOption, validateUnit } from "@fleet/core";
import type { PutOutcome } from "@fleet/registry";
import { z } from "zod";
import { message } from "../contract/messages.ts";
import { maxNamedUnits, query } from "../contract/paths.ts";
import { type ApiUnit, putUnitShape, targetStateShape, type UnitPage } from "../contract/wire.ts";
import { pageOf } from "./paging.ts";
import { Problem } from "./problem.ts";
import { type Handlers, nameParameter, pageRequest, type RouteContext, readBody } from "./route-context.ts";

type UnitHandlers = Pick<Handlers, "listUnits" | "getUnit" | "setUnit" | "destroyUnit">;

/** Units: what is wanted, and where it stands. */
export function unitHandlers(context: RouteContext): UnitHandlers {
  const { access, registry, pageLimit } = context;
  return {
    listUnits: async (request): Promise<UnitPage> => {
      const names = namesIn(request.query);
      if (names.length > 0)
        return { units: [...(await readUnits(context, names))], nextPageToken: undefined };
      const wanted = pageRequest(request.query, pageLimit);
      return access.view(0, (view) => {
        const listing = { keys: view.unitNames, row: (name: string) => view.unit(name), weight: fileLength };
        const { rows, nextPageToken } = pageOf(listing, wanted, pageLimit);
        return { units: [...rows], nextPageToken };
      });
    },

    getUnit: async (request): Promise<ApiUnit> => {
      const name = nameParameter(request.params);
      if (!parseUnitName(name).ok) throw new Problem(404, message.unitAbsent);
      const unit = await access.within(() => readUnit(context, name));
      if (unit === undefined) throw new Problem(404, message.unitAbsent);
      return unit;
    },

    setUnit: async (request, reply) => {
      const wanted = readWanted(nameParameter(request.params), request.body);
      const outcome = await access.within(async () => {
        const written = await registry.intents.put(wanted);
        if (written.outcome !== "refused") await access.caughtUp(written.revision);
        return written;
      });
      return reply.code(statusOf(outcome)).send();
    },

    destroyUnit: async (request, reply) => {
      const name = nameParameter(request.params);
      if (!parseUnitName(name).ok) throw new Problem(404, message.unitAbsent);
      const outcome = await access.within(async () => {
        const destroyed = await registry.intents.destroy(name);
        if (destroyed.outcome === "destroyed") await access.caughtUp(destroyed.revision);
        return destroyed;
      });
      if (outcome.outcome === "absent") throw new Problem(404, message.unitAbsent);
      return reply.code(204).send();
    },
  };
}

const namesShape = z.object({ [query.units]: z.union([z.string(), z.array(z.string())]).optional() });

/** The names that a listing is limited to; none: it is not. @throws Problem 400 when they are too many. */
function namesIn(queryString: unknown): readonly string[] {
  const { [query.units]: given = [] } = namesShape.parse(queryString);
  const names = new Set([given].flat().flatMap((text) => text.split(",")));
  names.delete("");
  if (names.size > maxNamedUnits) throw new Problem(400, message.tooManyNames(maxNamedUnits));
  return [...names].sort();
}

/** Those of the named units that there are. Each as it is asked for alone: not from a view that may be behind. */
async function readUnits(context: RouteContext, names: readonly string[]): Promise<readonly ApiUnit[]> {
  const valid = names.filter((name) => parseUnitName(name).ok);
  const units = await context.access.within(() => Promise.all(valid.map((name) => readUnit(context, name))));
  return units.filter((unit) => unit !== undefined);
}

/**
 * What is wanted comes from the store itself, where it stands from a view at least as new. Undefined when there is no such
 * unit.
 */
async function readUnit({ access, registry }: RouteContext, name: string): Promise<ApiUnit | undefined> {
  const reading = await registry.intents.read(name);
  if (reading === undefined) return undefined;
  const { options, record, modRevision } = reading;
  const wanted = { name, options: [...options], desiredState: record.target };
  if (isGlobalUnit(name, options)) return wanted;
  const placement = await access.view(modRevision, (view) => view.placement(name, record.hash));
  return { ...wanted, ...placement };
}

function fileLength({ options }: ApiUnit): number {
  return options.reduce((length, { name, value }) => length + name.length + value.length, 0);
}

interface Wanted {
  readonly name: string;
  readonly options?: readonly UnitOption[];
  readonly target?: TargetState;
}

function readWanted(urlName: string, json: unknown): Wanted {
  const { name, desiredState, options } = readBody(putUnitShape, json);
  if (typeof name === "string" && name !== "" && name !== urlName) {
    throw new Problem(400, message.nameMismatch(urlName, name));
  }
  const parsedName = parseUnitName(urlName);
  if (!parsedName.ok) throw new Problem(400, parsedName.problem);
  const target = readTarget(desiredState);
  if (options !== undefined && options !== null && options.length > 0) {
    const [problem] = validateUnit(urlName, options).problems;
    if (problem !== undefined) throw new Problem(400, problem);
  }
  if (parsedName.value.isTemplate && target !== undefined && target !== "inactive") {
    throw new Problem(400, message.templateActive(urlName));
  }
  return {
    name: urlName,
    ...(options === undefined || options === null || options.length === 0 ? {} : { options }),
    ...(target === undefined ? {} : { target }),
  };
}

function readTarget(text: string | null | undefined): TargetState | undefined {
  if (text === undefined || text === null || text === "") return undefined;
  const target = targetStateShape.safeParse(text);
  if (!target.success) throw new Problem(400, message.unknownTarget(text));
  return target.data;
}

function statusOf(outcome: PutOutcome): number {
  switch (outcome.outcome) {
    case "created":
    case "replaced":
      return 201;
    case "changed":
    case "retried":
    case "unchanged":
      return 204;
    case "refused":
      throw new Problem(409, outcome.reason === "no_options" ? message.noOptions : message.noTarget);
  }
}
