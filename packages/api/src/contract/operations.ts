import type { z } from "zod";
import { backupShape } from "./backup.ts";
import { dryRunRequestShape, dryRunShape } from "./dry-run.ts";
import { eventListShape } from "./events.ts";
import { explanationShape } from "./explanation.ts";
import { confirmedLossesShape, confirmLossesShape, lossesShape } from "./losses.ts";
import { maxNamedUnits, query } from "./paths.ts";
import { beginReseedShape, finishReseedShape, reseedShape } from "./reseed.ts";
import { newRestartShape, restartListShape, restartShape } from "./restart.ts";
import { watchMessageShape } from "./watch.ts";
import {
  discoveryShape,
  errorBodyShape,
  machinePageShape,
  machinePatchShape,
  openApiShape,
  putUnitShape,
  unitPageShape,
  unitShape,
  unitStatePageShape,
  unitStateShape,
} from "./wire.ts";

/**
 * Every call the API serves, once below each of its prefixes. The server's routes, what tells 405 from 404, the
 * discovery document and the OpenAPI document all follow from this table.
 */

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Operation {
  /** `fleet.<Object>.<Verb>`, as fleet 1.0's discovery document has it. */
  readonly id: string;
  /** What the discovery document files it under. */
  readonly resource: string;
  readonly method: HttpMethod;
  /** Below the prefix; parameters in braces. */
  readonly path: `/${string}`;
  readonly summary: string;
  /** Of each parameter in the path, what it is. */
  readonly pathParameters?: Readonly<Record<string, string>>;
  /** Of each parameter in the query, what it is; all may be left out. */
  readonly queryParameters?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  /** By status. Beside these every call may answer 400 for a path that cannot be decoded, and 503. */
  readonly answers: Readonly<Record<number, OperationAnswer>>;
  /** What methods the path does not take are answered with, where it is not 405. */
  readonly otherMethods?: number;
}

export interface OperationAnswer {
  readonly description: string;
  /** Of the JSON body; without it there is none. */
  readonly shape?: z.ZodType;
}

function refused(description: string): OperationAnswer {
  return { description, shape: errorBodyShape };
}

const unitName = { unitName: "Name of the unit, suffix included." };
const page = {
  [query.pageToken]: "Token of the page wanted, from the page before; the first page without.",
  [query.rows]:
    "How many rows are welcome at once: the answer has several pages if they hold no more than that, else one. Fleet 1.0 has no such parameter.",
};
const badToken = refused("The page token is none of this server's.");
const notJson = refused("The Content-Type is not application/json.");
const tooLarge = refused("The body is too large.");
const noUnit = refused("There is no such unit.");
const restartId = { restartID: "Id of the request, from the answer to its creation." };
const noRestart = refused("There is no such request (any more).");

export const operations = {
  listUnits: {
    id: "fleet.Unit.List",
    resource: "Units",
    method: "GET",
    path: "/units",
    summary: "Retrieve a page of units, sorted by name.",
    queryParameters: {
      ...page,
      [query.units]: `Names, comma-separated, at most ${maxNamedUnits}: only these units, on one page. Fleet 1.0 has no such parameter.`,
    },
    answers: {
      200: { description: "The page.", shape: unitPageShape },
      400: refused("The page token is none of this server's, or too many units are named."),
    },
  },
  getUnit: {
    id: "fleet.Unit.Get",
    resource: "Units",
    method: "GET",
    path: "/units/{unitName}",
    summary: "Retrieve one unit.",
    pathParameters: unitName,
    answers: { 200: { description: "The unit.", shape: unitShape }, 404: noUnit },
  },
  setUnit: {
    id: "fleet.Unit.Set",
    resource: "Units",
    method: "PUT",
    path: "/units/{unitName}",
    summary: "Create a unit, replace its content or change its target state.",
    pathParameters: unitName,
    body: putUnitShape,
    answers: {
      201: { description: "Created, or its content is replaced." },
      204: { description: "Its target state is changed, or there was nothing to do." },
      400: refused("Bad name, options, target state or body."),
      409: refused("No such unit and no options, or such a unit and no target state."),
      413: tooLarge,
      415: notJson,
    },
  },
  destroyUnit: {
    id: "fleet.Unit.Delete",
    resource: "Units",
    method: "DELETE",
    path: "/units/{unitName}",
    summary: "Destroy a unit.",
    pathParameters: unitName,
    answers: { 204: { description: "Destroyed." }, 404: noUnit },
  },
  getExplanation: {
    id: "fleet.Unit.Explain",
    resource: "Units",
    method: "GET",
    path: "/units/{unitName}/explanation",
    summary: "Retrieve why a unit is where it is, or nowhere.",
    pathParameters: unitName,
    answers: { 200: { description: "The explanation.", shape: explanationShape }, 404: noUnit },
  },
  dryRun: {
    id: "fleet.Plan.Make",
    resource: "Plan",
    method: "POST",
    path: "/plan",
    summary: "Have the engine's planning tell what would happen if; nothing is written.",
    body: dryRunRequestShape,
    answers: {
      200: { description: "What would happen.", shape: dryRunShape },
      400: refused(
        "Bad body, name, options or target state, or no such unit or machine; the message names it.",
      ),
      413: tooLarge,
      415: notJson,
    },
  },
  listUnitStates: {
    id: "fleet.UnitState.List",
    resource: "UnitState",
    method: "GET",
    path: "/state",
    summary: "Retrieve a page of unit states, one per unit and machine, sorted by unit, then machine.",
    queryParameters: {
      [query.machineId]: "Only states on the machine with this id.",
      [query.unitName]: "Only states of the unit with this name.",
      ...page,
    },
    answers: { 200: { description: "The page.", shape: unitStatePageShape }, 400: badToken },
  },
  getUnitState: {
    id: "fleet.UnitState.Get",
    resource: "UnitState",
    method: "GET",
    path: "/state/{unitName}",
    summary: "Retrieve the state of one unit.",
    pathParameters: unitName,
    answers: {
      200: { description: "Its state.", shape: unitStateShape },
      404: refused("No machine reports a state of such a unit."),
    },
  },
  listMachines: {
    id: "fleet.Machine.List",
    resource: "Machines",
    method: "GET",
    path: "/machines",
    summary: "Retrieve a page of the machines present, sorted by id.",
    queryParameters: page,
    answers: { 200: { description: "The page.", shape: machinePageShape }, 400: badToken },
  },
  patchMachines: {
    id: "fleet.Machine.Patch",
    resource: "Machines",
    method: "PATCH",
    path: "/machines",
    summary: "Set and remove metadata of machines, present or not: all of the list or nothing.",
    body: machinePatchShape,
    answers: {
      204: { description: "Carried out." },
      400: refused("Bad operation, path, value or body."),
      413: tooLarge,
      415: notJson,
    },
  },
  listRestarts: {
    id: "fleet.Restart.List",
    resource: "Restarts",
    method: "GET",
    path: "/restarts",
    summary: "Retrieve the requests to restart units: those under way and the latest that have ended.",
    answers: { 200: { description: "The requests, the latest first.", shape: restartListShape } },
  },
  createRestart: {
    id: "fleet.Restart.Create",
    resource: "Restarts",
    method: "POST",
    path: "/restarts",
    summary: "Have the cluster restart units one after the other, global ones machine by machine.",
    body: newRestartShape,
    answers: {
      201: { description: "The request, which the cluster carries out from now on.", shape: restartShape },
      400: refused("Bad body."),
      404: refused("One of the units does not exist; the message names it."),
      409: refused("One of the units is inactive or a template; the message names it."),
      413: refused("The body is too large, or there are too many units."),
      415: notJson,
    },
  },
  getRestart: {
    id: "fleet.Restart.Get",
    resource: "Restarts",
    method: "GET",
    path: "/restarts/{restartID}",
    summary: "Retrieve one request to restart units.",
    pathParameters: restartId,
    answers: { 200: { description: "The request.", shape: restartShape }, 404: noRestart },
  },
  cancelRestart: {
    id: "fleet.Restart.Cancel",
    resource: "Restarts",
    method: "DELETE",
    path: "/restarts/{restartID}",
    summary: "Forget a request to restart units: what is under way ends, nothing further begins.",
    pathParameters: restartId,
    answers: { 204: { description: "Forgotten." }, 404: noRestart },
  },
  getLosses: {
    id: "fleet.Losses.Get",
    resource: "Losses",
    method: "GET",
    path: "/losses",
    summary: "Retrieve the mass loss for which the cluster holds the re-placing of units, if there is one.",
    answers: { 200: { description: "The mass loss, or nothing.", shape: lossesShape } },
  },
  confirmLosses: {
    id: "fleet.Losses.Confirm",
    resource: "Losses",
    method: "POST",
    path: "/losses/confirm",
    summary: "Say that machines of a mass loss are lost: what they ran is placed elsewhere.",
    body: confirmLossesShape,
    answers: {
      200: { description: "What is confirmed.", shape: confirmedLossesShape },
      400: refused("Bad body."),
      413: tooLarge,
      415: notJson,
    },
  },
  getBackup: {
    id: "fleet.Backup.Get",
    resource: "Backup",
    method: "GET",
    path: "/backup",
    summary: "Retrieve everything users want of the cluster, as of one revision, as one document.",
    answers: {
      200: { description: "Units, their files, and metadata set through the API.", shape: backupShape },
    },
  },
  getReseed: {
    id: "fleet.Reseed.Get",
    resource: "Reseed",
    method: "GET",
    path: "/reseed",
    summary: "Retrieve whether etcd holds this cluster, and how far it is seeded anew.",
    answers: { 200: { description: "How it stands, also while fleetd is frozen.", shape: reseedShape } },
  },
  beginReseed: {
    id: "fleet.Reseed.Begin",
    resource: "Reseed",
    method: "POST",
    path: "/reseed",
    summary: "Begin to seed a registry that was wiped or rolled back anew, from what the machines run.",
    body: beginReseedShape,
    answers: {
      200: { description: "Begun, or under way already.", shape: reseedShape },
      400: refused("Bad body."),
      409: refused("There is nothing to be seeded anew, or etcd holds what was not said to be thrown away."),
      413: tooLarge,
      415: notJson,
    },
  },
  finishReseed: {
    id: "fleet.Reseed.Finish",
    resource: "Reseed",
    method: "POST",
    path: "/reseed/finish",
    summary: "End the seeding: from now on the cluster schedules what the machines have told.",
    body: finishReseedShape,
    answers: {
      200: { description: "Ended.", shape: reseedShape },
      400: refused("Bad body."),
      409: refused("The cluster is not being seeded anew."),
      413: tooLarge,
      415: notJson,
    },
  },
  listEvents: {
    id: "fleet.Event.List",
    resource: "Event",
    method: "GET",
    path: "/events",
    summary: "Retrieve what the engine has decided and noticed lately.",
    queryParameters: {
      [query.unit]: "Only events of this unit.",
      [query.machine]: "Only events of this machine, by its full id, and of what was moved off it.",
      [query.limit]: "At most so many, the latest.",
    },
    answers: {
      200: { description: "The latest last.", shape: eventListShape },
      400: refused("Bad limit."),
    },
  },
  watch: {
    id: "fleet.Watch.Open",
    resource: "Watch",
    method: "GET",
    path: "/watch",
    summary: "Open a WebSocket that sends a snapshot of units, states and machines, then what changes.",
    queryParameters: {
      [query.units]: "Names of the units to follow, comma-separated; all of them without.",
      [query.kinds]:
        "What to tell of, comma-separated: units, states, machines, events; all but the events without.",
      [query.options]: "none: summaries of the units, without their files.",
      [query.since]:
        "Revision of the last message of a stream that is to be resumed: what has changed since is told.",
      [query.cluster]: "With since: the cluster that the stream's snapshot has named.",
    },
    answers: {
      101: {
        description: "The stream is open; each message is JSON in a text frame.",
        shape: watchMessageShape,
      },
      400: refused("Bad kinds, options or since."),
      403: refused("A page of another site asks."),
      426: refused("The request is no upgrade to a WebSocket."),
    },
  },
  getDiscovery: {
    id: "fleet.Discovery.Get",
    resource: "Discovery",
    method: "GET",
    path: "/discovery",
    summary: "Retrieve the description of this API as a Google API Discovery document.",
    answers: { 200: { description: "The document.", shape: discoveryShape } },
    otherMethods: 400,
  },
  getOpenApi: {
    id: "fleet.OpenApi.Get",
    resource: "OpenApi",
    method: "GET",
    path: "/openapi.json",
    summary: "Retrieve the description of this API as an OpenAPI document.",
    answers: { 200: { description: "The document.", shape: openApiShape } },
  },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof operations;

/** The table without the literal types of its entries, for code that walks over it. */
export const operationList: readonly (readonly [name: string, operation: Operation])[] =
  Object.entries(operations);
