import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { z } from "zod";

/** One request of fleet's own client and what it was answered; the README of the fixtures says what is what. */
const exchangeShape = z.object({
  source: z.enum(["recorded", "reconstructed"]).default("recorded"),
  cmd: z.string(),
  method: z.string(),
  /** Decoded, without its query. */
  path: z.string().transform((path) => decodeURIComponent(path.replace("?alt=json", ""))),
  body: z.string().optional(),
  status: z.number(),
  response: z.string().default(""),
  repeated: z.number().default(1),
});
export type Exchange = z.infer<typeof exchangeShape>;

export async function readSession(file: URL): Promise<readonly Exchange[]> {
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  return lines.map((line) => exchangeShape.parse(JSON.parse(line)));
}

const unitListShape = z.object({ units: z.array(z.looseObject({ name: z.string() })).default([]) });
const bodyShape = z.record(z.string(), z.unknown());
const unitPath = "/fleet/v1/units/";
const absent = {
  status: 404,
  response: JSON.stringify({ error: { code: 404, message: "unit does not exist" } }),
};

/** What one unit was asked for, until it was changed and between its changes. */
interface Phase {
  readonly write: Exchange | undefined;
  readonly answers: Exchange[];
}

/** What was asked to be changed of one thing: the bodies of its requests in one, since ours may say it all at once. */
export interface Change {
  readonly methods: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Answers another client than the recorded one as it was answered for one command: a unit looks as it did then after
 * the same changes to it, and the last of its looks stays. Our client asks for other things besides: where fleet's
 * read all units to find some, ours asks for them by name; and ours wants to know the machines and the states of units where
 * fleet's did not.
 */
export class Replay {
  readonly #command: readonly Exchange[];
  readonly #elsewhere: ReadonlyMap<string, Exchange>;
  readonly #phases = new Map<string, Phase[]>();
  readonly #changes = new Map<string, Change>();

  constructor(command: readonly Exchange[], session: readonly Exchange[]) {
    this.#command = command;
    const unasked = session.filter(
      ({ method, path }) => method === "GET" && /\/(machines|state)\b/.test(path),
    );
    this.#elsewhere = new Map(unasked.map((exchange) => [exchange.path, exchange]));
    for (const exchange of command) {
      const phases = this.#phases.get(exchange.path) ?? [{ write: undefined, answers: [] }];
      this.#phases.set(exchange.path, phases);
      if (exchange.method === "GET") {
        phases.at(-1)?.answers.push(...Array.from({ length: exchange.repeated }, () => exchange));
      } else phases.push({ write: exchange, answers: [] });
    }
  }

  /** What the client asked to be changed, by path. */
  get changes(): readonly Change[] {
    return sorted(this.#changes);
  }

  answer(method: string, path: string, body: string): { readonly status: number; readonly response: string } {
    if (method !== "GET") return this.#written(method, path, body);
    const [phase] = this.#phases.get(path) ?? [];
    const [next, ...later] = phase?.answers ?? [];
    if (next !== undefined) {
      if (later.length > 0) phase?.answers.shift();
      return next;
    }
    // A unit that was destroyed has no state either.
    const [ofUnit] = this.#phases.get(path.replace("/state/", "/units/")) ?? [];
    if (ofUnit?.write?.method === "DELETE") return absent;
    return this.#elsewhere.get(path) ?? this.#listed(path);
  }

  #written(method: string, path: string, body: string) {
    const phases = this.#phases.get(path);
    // What fleet's client does not ask for is what its server does not have.
    if (phases === undefined) return { ...absent, response: "404 page not found" };
    noteChange(this.#changes, { method, path, body });
    phases.shift();
    const answer = phases[0]?.write ?? { status: 500, response: "" };
    // Content and target may be sent in one: then fleet's client has sent the target in a request of its own.
    if (method === "PUT" && body.includes('"options"') && body.includes('"desiredState"')) phases.shift();
    return answer;
  }

  #listed(path: string) {
    const list = this.#command.find((exchange) => exchange.path === "/fleet/v1/units")?.response ?? "{}";
    const { units } = unitListShape.parse(JSON.parse(list));
    const unit = units.find(({ name }) => path === `${unitPath}${name}`);
    return unit === undefined ? absent : { status: 200, response: JSON.stringify(unit) };
  }
}

/** What fleet's own client asked to be changed. */
export function changesOf(command: readonly Exchange[]): readonly Change[] {
  const changes = new Map<string, Change>();
  for (const { method, path, body = "" } of command) {
    if (method !== "GET") noteChange(changes, { method, path, body });
  }
  return sorted(changes);
}

function noteChange(
  changes: Map<string, Change>,
  write: { readonly method: string; readonly path: string; readonly body: string },
): void {
  const { method, path } = write;
  const before = changes.get(path);
  const sent: unknown = write.body === "" ? {} : JSON.parse(write.body);
  const body = bodyShape.parse(Array.isArray(sent) ? { list: sent } : sent);
  const methods = before?.methods.endsWith(method) ? before.methods : `${before?.methods ?? ""} ${method}`;
  changes.set(path, { methods, path, body: { ...before?.body, ...body } });
}

function sorted(changes: ReadonlyMap<string, Change>): readonly Change[] {
  return [...changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Serves whatever `replay` returns at the time. */
export function replayServer(replay: () => Replay): Server {
  return createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      const url = new URL(request.url ?? "", "http://fleet");
      // Fleet's server passes over what it does not know.
      url.searchParams.delete("rows");
      const path = decodeURIComponent(`${url.pathname}${url.search}`);
      const answer = replay().answer(request.method ?? "", path, body);
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(answer.response);
    });
  });
}
