import http from "node:http";
import { z } from "zod";

// What fleet 1.0's own command line sends and waits for, request by request: test/fixtures/recorded-session.jsonl is a
// recording of it. Written without this project's client, whose habits would hide what the old one depends on.

const POLL_INTERVAL_MS = 500;
/** The original waits without limit; a test must not. */
const MAX_POLLS = 40;

const option = z.object({ section: z.string(), name: z.string(), value: z.string() });
const unit = z.object({
  name: z.string(),
  desiredState: z.string(),
  currentState: z.string().optional(),
  machineID: z.string().optional(),
  options: z.array(option).default([]),
});
const state = z.object({
  name: z.string(),
  machineID: z.string(),
  systemdLoadState: z.string(),
  systemdActiveState: z.string(),
  systemdSubState: z.string(),
});
const machine = z.object({ id: z.string(), primaryIP: z.string().optional() });
const unitPage = z.object({ units: z.array(unit).default([]), nextPageToken: z.string().default("") });
const statePage = z.object({ states: z.array(state).default([]), nextPageToken: z.string().default("") });
const machinePage = z.object({
  machines: z.array(machine).default([]),
  nextPageToken: z.string().default(""),
});

export type OriginalUnit = z.output<typeof unit>;
export type UnitOptions = readonly z.output<typeof option>[];
type Target = "inactive" | "loaded" | "launched";

interface Answer {
  readonly status: number;
  readonly json: unknown;
}

/** fleet 1.0's `fleetctl`, as far as the API sees it. Each verb resolves when the original would exit with 0. */
export class OriginalClient {
  readonly #socketPath: string;
  /** One connection, kept open, as Go's client does. */
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  /** Polls so far. */
  polls = 0;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  close(): void {
    this.#agent.destroy();
  }

  async listMachines(): Promise<readonly string[]> {
    return (await this.#pages("machines", machinePage)).flatMap(({ machines }) =>
      machines.map(({ id }) => id),
    );
  }

  async listUnits(): Promise<readonly z.output<typeof state>[]> {
    return (await this.#pages("state", statePage)).flatMap(({ states }) => states);
  }

  async listUnitFiles(): Promise<readonly OriginalUnit[]> {
    return (await this.#pages("units", unitPage)).flatMap(({ units }) => units);
  }

  async submit(name: string, options: UnitOptions): Promise<void> {
    if ((await this.#unit(name)) === undefined) await this.#put(name, { name, options }, 201);
    if ((await this.#unit(name)) === undefined) throw new Error(`${name} was created and is not there`);
  }

  async load(name: string, options: UnitOptions): Promise<void> {
    await this.submit(name, options);
    await this.#target(name, "loaded");
    await this.#until(name, "loaded");
  }

  /** Ends when the state read right after `launched` is loaded and active. */
  async start(name: string, options: UnitOptions): Promise<void> {
    await this.submit(name, options);
    await this.#target(name, "launched");
    await this.#until(name, "launched");
    await this.#poll(`${name} to be active`, async () => {
      const { status, json } = await this.#ask("GET", `state/${encodeURIComponent(name)}`);
      // The original takes a state that is not there for an error, and exits with 1.
      if (status !== 200) throw new Error(`state of ${name}: HTTP ${status}`);
      const { systemdLoadState, systemdActiveState } = state.parse(json);
      return systemdLoadState === "loaded" && systemdActiveState === "active";
    });
  }

  async stop(name: string): Promise<void> {
    await this.#found(name);
    await this.#target(name, "loaded");
    await this.#until(name, "loaded");
  }

  async unload(name: string): Promise<void> {
    await this.#found(name);
    await this.#target(name, "inactive");
    await this.#until(name, "inactive");
  }

  async destroy(name: string): Promise<void> {
    await this.#found(name);
    const { status } = await this.#ask("DELETE", `units/${encodeURIComponent(name)}`);
    if (status !== 204) throw new Error(`destroy ${name}: HTTP ${status}`);
  }

  async cat(name: string): Promise<UnitOptions> {
    const found = await this.#unit(name);
    if (found === undefined) throw new Error(`${name} is not there`);
    return found.options;
  }

  /** The machine `status`, `journal` and `ssh` would connect to. */
  async machineOf(name: string): Promise<string> {
    const found = await this.#unit(name);
    const machines = await this.listMachines();
    const id = machines.find((each) => each === found?.machineID);
    if (id === undefined) throw new Error(`${name} does not appear to be loaded`);
    return id;
  }

  /** The original looks for units to stop in the list of all. */
  async #found(name: string): Promise<void> {
    if (!(await this.listUnitFiles()).some((each) => each.name === name))
      throw new Error(`no ${name} in the list`);
  }

  async #unit(name: string): Promise<OriginalUnit | undefined> {
    const { status, json } = await this.#ask("GET", `units/${encodeURIComponent(name)}`);
    return status === 404 ? undefined : unit.parse(json);
  }

  async #target(name: string, desiredState: Target): Promise<void> {
    await this.#unit(name);
    await this.#put(name, { desiredState, name }, 204);
  }

  async #until(name: string, currentState: Target): Promise<void> {
    await this.#poll(`${name} to be ${currentState}`, async () => {
      return (await this.#unit(name))?.currentState === currentState;
    });
    await this.listMachines();
  }

  async #poll(what: string, reached: () => Promise<boolean>): Promise<void> {
    for (let polls = 0; polls < MAX_POLLS; polls += 1) {
      this.polls += 1;
      if (await reached()) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
    throw new Error(`the original client would wait for ever for ${what}`);
  }

  async #put(name: string, body: unknown, expected: number): Promise<void> {
    const { status } = await this.#ask("PUT", `units/${encodeURIComponent(name)}`, body);
    if (status !== expected) throw new Error(`PUT of ${name}: HTTP ${status}`);
  }

  async #pages<Page extends { readonly nextPageToken: string }>(
    resource: string,
    shape: z.ZodType<Page>,
  ): Promise<readonly Page[]> {
    const pages: Page[] = [];
    for (let token = ""; ; ) {
      const { json } = await this.#ask("GET", resource, undefined, token);
      const page = shape.parse(json);
      pages.push(page);
      token = page.nextPageToken;
      if (token === "") return pages;
    }
  }

  #ask(method: string, path: string, body?: unknown, token = ""): Promise<Answer> {
    const next = token === "" ? "" : `&nextPageToken=${encodeURIComponent(token)}`;
    // Go's encoder ends every document in a newline.
    const payload = body === undefined ? undefined : `${JSON.stringify(body)}\n`;
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          socketPath: this.#socketPath,
          agent: this.#agent,
          method,
          path: `/fleet/v1/${path}?alt=json${next}`,
          headers: {
            host: "domain-sock",
            "user-agent": "google-api-go-client/0.5",
            ...(payload === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
          },
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, json: text === "" ? undefined : JSON.parse(text) }),
          );
        },
      );
      request.on("error", reject);
      request.end(payload);
    });
  }
}
