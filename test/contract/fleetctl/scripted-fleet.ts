import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { UnitOption } from "@fleet/core";
import { unitHash } from "@fleet/core";

interface WireUnit {
  name: string;
  options: readonly UnitOption[];
  desiredState: string;
  currentState: string;
  machineID?: string;
}

interface SystemdState {
  readonly load?: string;
  readonly active: string;
  readonly sub: string;
}

/**
 * A fleet 1.0 as its API looks from outside: no streams, and a unit that comes one step nearer to its target
 * state each time it is asked for. What systemd reports of a unit is scripted.
 */
export class ScriptedFleet {
  readonly machine = {
    id: "0acdd9bf00000000000000000000abcd",
    primaryIP: "10.0.2.15",
    metadata: { region: "china", "private-ip": "172.17.8.103" },
  };
  /** Requests answered: `GET /units/a.service`. */
  readonly requests: string[] = [];
  readonly units = new Map<string, WireUnit>();
  /** What is reported of a launched unit, one after the other; the last stays. */
  readonly reports = new Map<string, readonly SystemdState[]>();
  /** While it is set, every answer is 503. */
  etcdAway = false;
  /** Requests answered with 503: `DELETE /units/a.service`. */
  readonly refused = new Set<string>();
  /** No machine may run anything. */
  placesNothing = false;
  /** Units on a page; as in fleet 1.0 an empty page follows when the last one is full. */
  pageSize = 100;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(new Error(String(error))));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${addressOf(this.#server).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A unit as if it had been submitted and had come to rest in a state. */
  add(name: string, options: readonly UnitOption[], state: "inactive" | "loaded" | "launched"): void {
    const placed = state === "inactive" ? {} : { machineID: this.machine.id };
    this.units.set(name, { name, options, desiredState: state, currentState: state, ...placed });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://fleet");
    const path = decodeURIComponent(pathname.replace("/fleet/v1", ""));
    const method = request.method ?? "";
    this.requests.push(`${method} ${path}`);
    const body = await bodyOf(request);
    const [status, answer] =
      this.etcdAway || this.refused.has(`${method} ${path}`)
        ? failure(503, "fleet server unable to communicate with etcd")
        : this.#route(method, path, body, Number(searchParams.get("nextPageToken") ?? "0"));
    response.writeHead(status, { "content-type": "application/json" });
    response.end(answer === undefined ? undefined : JSON.stringify(answer));
  }

  #route(method: string, path: string, body: string, page: number): readonly [number, unknown?] {
    const [, resource, name = "", ...more] = path.split("/");
    if (more.length > 0) return failure(404, "not found");
    if (resource === "machines") return [200, { machines: [this.machine] }];
    if (resource === "units" && name === "") return [200, this.#unitPage(page)];
    if (resource === "units") return this.#unit(method, name, body);
    if (resource === "state" && name === "") return [200, { states: this.#allStates() }];
    if (resource === "state") {
      const state = this.#state(name);
      return state === undefined ? failure(404, "unit state does not exist") : [200, state];
    }
    return failure(404, "not found");
  }

  #unit(method: string, name: string, body: string): readonly [number, unknown?] {
    if (method === "PUT") return this.#put(name, body);
    const unit = this.units.get(name);
    if (unit === undefined) return failure(404, "unit does not exist");
    if (method === "DELETE") {
      this.units.delete(name);
      return [204];
    }
    const answer = { ...unit };
    if (!this.placesNothing) this.#advance(unit);
    return [200, answer];
  }

  #put(name: string, body: string): readonly [number, unknown?] {
    const { options, desiredState }: Partial<WireUnit> = JSON.parse(body);
    const unit = this.units.get(name);
    if (options !== undefined) {
      const target = desiredState ?? "inactive";
      this.units.set(name, { name, options, desiredState: target, currentState: "inactive" });
      return [201];
    }
    if (unit === undefined) return failure(409, "unit does not exist and options field empty");
    if (desiredState !== undefined) unit.desiredState = desiredState;
    return [204];
  }

  #advance(unit: WireUnit): void {
    unit.currentState = unit.desiredState;
    if (unit.desiredState === "inactive") delete unit.machineID;
    else unit.machineID = this.machine.id;
  }

  #state(name: string): unknown {
    const unit = this.units.get(name);
    if (unit === undefined || unit.currentState === "inactive") return undefined;
    return this.#stateOf(unit);
  }

  #stateOf(unit: WireUnit): unknown {
    const [report = { active: "active", sub: "running" }, ...later] = this.reports.get(unit.name) ?? [];
    if (later.length > 0) this.reports.set(unit.name, later);
    const {
      load = "loaded",
      active,
      sub,
    } = unit.currentState === "launched" ? report : { active: "inactive", sub: "dead" };
    return {
      name: unit.name,
      hash: unitHash(unit.options),
      machineID: this.machine.id,
      systemdLoadState: load,
      systemdActiveState: active,
      systemdSubState: sub,
    };
  }

  #unitPage(page: number): unknown {
    const units = [...this.units.values()].slice(page * this.pageSize, (page + 1) * this.pageSize);
    if (units.length === 0) return {};
    return { units, ...(units.length < this.pageSize ? {} : { nextPageToken: String(page + 1) }) };
  }

  #allStates(): readonly unknown[] {
    return [...this.units.values()]
      .filter((unit) => unit.currentState !== "inactive")
      .map((unit) => this.#stateOf(unit));
  }
}

function failure(code: number, message: string): readonly [number, unknown] {
  return [code, { error: { code, message } }];
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on TCP");
  return address;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}
