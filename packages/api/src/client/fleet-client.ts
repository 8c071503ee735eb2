import type { TargetState, UnitOption } from "@fleet/core";
import type { ApiBackup } from "../contract/backup.ts";
import type { ApiDryRun, DryRunRequest } from "../contract/dry-run.ts";
import type { ApiEvent } from "../contract/events.ts";
import type { ApiExplanation } from "../contract/explanation.ts";
import type { ApiMassLoss } from "../contract/losses.ts";
import { apiPrefix, maxNamedUnits, query } from "../contract/paths.ts";
import type { ApiReseed } from "../contract/reseed.ts";
import type { ApiRestart, NewRestart } from "../contract/restart.ts";
import type { ApiUnit, ApiUnitState, MachinePatch } from "../contract/wire.ts";
import { readBackup } from "./backup-reader.ts";
import { readDryRun } from "./dry-run-reader.ts";
import { FleetApiError, FleetProtocolError } from "./errors.ts";
import { readEvents } from "./event-reader.ts";
import { readExplanation } from "./explanation-reader.ts";
import { Failover, type FailoverOptions } from "./failover.ts";
import { readMassLoss } from "./loss-reader.ts";
import {
  type ClientMachine,
  readList,
  readMachine,
  readObject,
  readText,
  readTexts,
  readUnit,
  readUnitState,
} from "./readers.ts";
import { readReseed } from "./reseed-reader.ts";
import { readRestart } from "./restart-reader.ts";
import { type WatchFilter, type WatchUpdate, watchUnits } from "./watch-stream.ts";

export interface UnitChange {
  readonly name: string;
  readonly options?: readonly UnitOption[];
  readonly desiredState?: TargetState;
}

export interface StateFilter {
  readonly unitName?: string;
  readonly machineID?: string;
}

export interface EventFilter {
  readonly unit?: string;
  /** Id of the machine an event is about, or from which something was moved. */
  readonly machine?: string;
  /** At most so many, the latest. */
  readonly limit?: number;
}

/** Rows asked for at once: more than a daemon gives. */
const welcomeRows = 10_000;

/** Up to so many units are asked for one by one. */
const fewNames = 8;

/** Characters of one list of names: servers refuse long URLs, Node beyond 16 KiB with all headers. */
const maxListLength = 4 * 1024;

/** Pages a listing may have before the server is taken to be going round in circles. */
const maxPages = 100_000;

/**
 * Fleet's API v1 as calls. Any fleet v1 server will do; only `watch` needs a daemon of this project.
 *
 * Every call rejects with FleetUnreachableError when nobody answers within the request timeout, with
 * FleetApiError when the daemon refuses, and with FleetProtocolError when something else answers.
 */
export class FleetClient {
  readonly #transport: Failover;

  constructor(options: FailoverOptions) {
    this.#transport = new Failover(options);
  }

  /** All units, by name. Of a cluster with more than `atMost` the first of them, somewhat more than so many. */
  units(signal?: AbortSignal, atMost?: number): Promise<readonly ApiUnit[]> {
    return this.#pages("units", "units", readUnit, {}, signal, atMost);
  }

  /** One unit; undefined when there is none of that name. */
  unit(name: string, signal?: AbortSignal): Promise<ApiUnit | undefined> {
    return this.#one(`units/${encodeURIComponent(name)}`, readUnit, signal);
  }

  /**
   * Those of the named units that there are, by name. Few are asked for one by one, many together; a server that cannot be
   * asked so, as fleet 1.0, answers with all units.
   */
  async unitsNamed(names: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ApiUnit>> {
    if (names.length <= fewNames) {
      const units = await Promise.all(names.map((name) => this.unit(name, signal)));
      return byName(units.filter((unit) => unit !== undefined));
    }
    const wanted = new Set(names);
    const lists = listsOfNames([...wanted]);
    const answers = await Promise.all(
      lists.map(async (list) => {
        const parameters = new URLSearchParams({ [query.units]: list.join(",") });
        return readObject(await this.#page("units", parameters, signal), "list of units");
      }),
    );
    const units = answers.flatMap((fields) => readList(fields, "units", readUnit));
    const limited = answers.every((fields) => readText(fields, query.pageToken) === "");
    const all = limited ? units : await this.units(signal);
    return byName(all.filter(({ name }) => wanted.has(name)));
  }

  /**
   * Submits a unit, replaces its content or changes its target. `created` also stands for replaced content;
   * `changed` also for nothing to do.
   */
  async putUnit(change: UnitChange, signal?: AbortSignal): Promise<"created" | "changed"> {
    const path = `${apiPrefix}/units/${encodeURIComponent(change.name)}`;
    const { status } = await this.#transport.send("PUT", path, change, signal);
    return status === 201 ? "created" : "changed";
  }

  /** Destroys a unit; false when there was none of that name. */
  destroyUnit(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#delete(`units/${encodeURIComponent(name)}`, signal);
  }

  /**
   * Why a unit is where it is, or nowhere: `absent` when there is none of that name, `unsupported` when the server does not
   * tell, as fleet 1.0.
   */
  async explanation(name: string, signal?: AbortSignal): Promise<ApiExplanation | "absent" | "unsupported"> {
    const path = `units/${encodeURIComponent(name)}`;
    const found = await this.#one(`${path}/explanation`, readExplanation, signal);
    if (found !== undefined) return found;
    return (await this.unit(name, signal)) === undefined ? "absent" : "unsupported";
  }

  /** What would happen if. Nothing is changed. Undefined when the server does not tell, as fleet 1.0. */
  async dryRun(request: DryRunRequest, signal?: AbortSignal): Promise<ApiDryRun | undefined> {
    try {
      return readDryRun((await this.#transport.send("POST", `${apiPrefix}/plan`, request, signal)).body);
    } catch (error) {
      if (error instanceof FleetApiError && (error.status === 404 || error.status === 405)) return undefined;
      throw error;
    }
  }

  /** What systemd reports for the units, by name, then machine. */
  states(filter: StateFilter = {}, signal?: AbortSignal): Promise<readonly ApiUnitState[]> {
    return this.#pages("state", "states", readUnitState, { ...filter }, signal);
  }

  /** What systemd reports for one unit; undefined when no machine has published anything for it. */
  state(name: string, signal?: AbortSignal): Promise<ApiUnitState | undefined> {
    return this.#one(`state/${encodeURIComponent(name)}`, readUnitState, signal);
  }

  /** The machines present, by id. `told` is called with a mass loss that the answer tells of. */
  machines(signal?: AbortSignal, told?: (massLoss: ApiMassLoss) => void): Promise<readonly ClientMachine[]> {
    let massLoss: ApiMassLoss | undefined;
    const read = (fields: Readonly<Record<string, unknown>>): void => {
      const first = massLoss === undefined;
      massLoss ??= readMassLoss(fields);
      if (first && massLoss !== undefined) told?.(massLoss);
    };
    return this.#pages("machines", "machines", readMachine, {}, signal, Number.POSITIVE_INFINITY, read);
  }

  /** The mass loss for which re-placing is held; undefined when none is, also for a server of fleet 1.0. */
  async massLoss(signal?: AbortSignal): Promise<ApiMassLoss | undefined> {
    return await this.#one("losses", (body) => readMassLoss(readObject(body, "losses")), signal);
  }

  /** Says that these machines are lost. Resolves with those that are confirmed by that: others were not held for. */
  async confirmLosses(machines: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    const path = `${apiPrefix}/losses/confirm`;
    const { body } = await this.#transport.send("POST", path, { machines }, signal);
    return readTexts(readObject(body, "confirmed losses"), "machines");
  }

  /** Sets and removes metadata of machines, present or not. All of it is refused when any of it is invalid. */
  async patchMachines(patch: MachinePatch, signal?: AbortSignal): Promise<void> {
    await this.#transport.send("PATCH", `${apiPrefix}/machines`, patch, signal);
  }

  /**
   * Has the cluster restart units, as GET /restarts/ID then tells. Undefined when the server cannot, because it knows only
   * fleet 1.0's API.
   */
  async createRestart(restart: NewRestart, signal?: AbortSignal): Promise<ApiRestart | undefined> {
    const path = `${apiPrefix}/restarts`;
    try {
      return readRestart((await this.#transport.send("POST", path, restart, signal)).body);
    } catch (error) {
      if (!(error instanceof FleetApiError) || (error.status !== 404 && error.status !== 405)) throw error;
      // A unit of the request may be what does not exist.
      if (error.status === 404 && (await this.restarts(signal)) !== undefined) throw error;
      return undefined;
    }
  }

  /** Requests to restart units, the latest first. Undefined when the server has none of that, as fleet 1.0. */
  restarts(signal?: AbortSignal): Promise<readonly ApiRestart[] | undefined> {
    const read = (body: unknown): readonly ApiRestart[] =>
      readList(readObject(body, "list of restarts"), "restarts", readRestart);
    return this.#one("restarts", read, signal);
  }

  /** Undefined when there is no such request (any more). */
  restart(id: string, signal?: AbortSignal): Promise<ApiRestart | undefined> {
    return this.#one(`restarts/${encodeURIComponent(id)}`, readRestart, signal);
  }

  /** Everything users want of the cluster, as of one moment. Undefined when the server knows no backups. */
  backup(signal?: AbortSignal): Promise<ApiBackup | undefined> {
    return this.#one("backup", readBackup, signal);
  }

  /** Whether etcd holds the cluster, and how far it is seeded anew. Undefined when the server cannot do that. */
  reseed(signal?: AbortSignal): Promise<ApiReseed | undefined> {
    return this.#one("reseed", readReseed, signal);
  }

  /** Begins to seed the registry anew; `discard` as in POST /reseed. */
  async beginReseed(discard: string | undefined, signal?: AbortSignal): Promise<ApiReseed> {
    const body = discard === undefined ? {} : { discard };
    return readReseed((await this.#transport.send("POST", `${apiPrefix}/reseed`, body, signal)).body);
  }

  async finishReseed(signal?: AbortSignal): Promise<ApiReseed> {
    return readReseed((await this.#transport.send("POST", `${apiPrefix}/reseed/finish`, {}, signal)).body);
  }

  /** What is under way ends, nothing further begins; false when there was no such request. */
  cancelRestart(id: string, signal?: AbortSignal): Promise<boolean> {
    return this.#delete(`restarts/${encodeURIComponent(id)}`, signal);
  }

  /** What has been decided and noticed lately, the latest last. Undefined when the server tells no events. */
  events(filter: EventFilter = {}, signal?: AbortSignal): Promise<readonly ApiEvent[] | undefined> {
    const { unit, machine, limit } = filter;
    const parameters = new URLSearchParams({
      ...(unit === undefined ? {} : { [query.unit]: unit }),
      ...(machine === undefined ? {} : { [query.machine]: machine }),
      ...(limit === undefined ? {} : { [query.limit]: String(limit) }),
    });
    const path = `events${parameters.size === 0 ? "" : `?${parameters}`}`;
    return this.#one(path, (body) => readEvents(readObject(body, "list of events")), signal);
  }

  /**
   * Follows the named units, their states and the machines they are on, or all of them, and events if asked for.
   * The first update about rows is a snapshot, or, of a stream that goes on after `filter.since`, a delta with what was
   * missed, be it nothing. `unsupported` (and nothing after it) when the server has no streams: poll instead. Rejects with
   * AbortedError when the signal fires, with FleetUnreachableError when the connection breaks.
   */
  watch(filter: WatchFilter, signal: AbortSignal): AsyncIterable<WatchUpdate> {
    return watchUnits(this.#transport.current, filter, signal);
  }

  /** Closes the kept connections. Requests still under way fail. */
  close(): void {
    this.#transport.close();
  }

  async #one<Item>(
    path: string,
    read: (value: unknown) => Item,
    signal: AbortSignal | undefined,
  ): Promise<Item | undefined> {
    try {
      return read((await this.#transport.send("GET", `${apiPrefix}/${path}`, undefined, signal)).body);
    } catch (error) {
      if (error instanceof FleetApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #delete(path: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#transport.send("DELETE", `${apiPrefix}/${path}`, undefined, signal);
      return true;
    } catch (error) {
      if (error instanceof FleetApiError && error.status === 404) return false;
      throw error;
    }
  }

  async #pages<Item>(
    resource: string,
    key: string,
    read: (value: unknown) => Item,
    filter: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    atMost = Number.POSITIVE_INFINITY,
    onPage: (fields: Readonly<Record<string, unknown>>) => void = () => {},
  ): Promise<readonly Item[]> {
    const items: Item[] = [];
    const rows = Math.min(atMost + 1, welcomeRows);
    const parameters = new URLSearchParams({ ...filter, [query.rows]: String(rows) });
    for (let page = 0; page < maxPages; page += 1) {
      const fields = readObject(await this.#page(resource, parameters, signal), `list of ${key}`);
      for (const item of readList(fields, key, read)) items.push(item);
      onPage(fields);
      const token = readText(fields, query.pageToken);
      if (token === "" || items.length > atMost) return items;
      parameters.set(query.pageToken, token);
    }
    throw new FleetProtocolError(`the server's list of ${key} has no end`);
  }

  /** What is not in fleet 1.0's API is left out of `parameters` once a server, or what stands before it, refuses it. */
  async #page(
    resource: string,
    parameters: URLSearchParams,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const get = async (): Promise<unknown> => {
      const path = `${apiPrefix}/${resource}${parameters.size === 0 ? "" : `?${parameters}`}`;
      return (await this.#transport.send("GET", path, undefined, signal)).body;
    };
    try {
      return await get();
    } catch (error) {
      if (!(error instanceof FleetApiError) || error.status !== 400 || !parameters.has(query.rows))
        throw error;
      parameters.delete(query.rows);
      return await get();
    }
  }
}

function byName(units: readonly ApiUnit[]): ReadonlyMap<string, ApiUnit> {
  return new Map(units.map((unit) => [unit.name, unit]));
}

/** The names in lists that servers take. */
function listsOfNames(names: readonly string[]): readonly (readonly string[])[] {
  const lists: string[][] = [];
  let list: string[] = [];
  let length = 0;
  for (const name of names) {
    // As long as it becomes in a URL.
    const added = encodeURIComponent(name).length + 3;
    if (list.length === maxNamedUnits || length + added > maxListLength) {
      list = [];
      length = 0;
    }
    if (list.length === 0) lists.push(list);
    list.push(name);
    length += added;
  }
  return lists;
}
