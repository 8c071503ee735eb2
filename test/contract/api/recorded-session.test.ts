import { readFile } from "node:fs/promises";
import { unitPageShape, unitShape, unitStatePageShape, unitStateShape } from "@fleet/api";
import { MemoryEtcd, MemoryStore, type Registration, Registry, type Term } from "@fleet/registry";
import { silentLogger, systemClock } from "@fleet/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type ServedApi, serveApi } from "./served-api.ts";

/** One request of fleet's own client, and fleet's own answer to it; test/fixtures/README.md says which is what. */
const exchangeShape = z.object({
  source: z.enum(["recorded", "reconstructed"]).default("recorded"),
  cmd: z.string(),
  method: z.string(),
  path: z.string(),
  contentType: z.string().optional(),
  body: z.string().optional(),
  status: z.number(),
  response: z.string().optional(),
  repeated: z.number().default(1),
});

const machineIds = ["abcd0001000000000000000000000001", "abcd0002000000000000000000000002"];
const ttlMs = 60_000;

let stopping: AbortController;
let registry: Registry;
let served: ServedApi;
let term: Term;
let machines: Map<string, Registration>;

beforeEach(async () => {
  stopping = new AbortController();
  registry = new Registry({
    store: new MemoryStore(new MemoryEtcd(systemClock)),
    prefix: "/_coreos.com/fleet/",
    memory: { load: async () => undefined, save: async () => {} },
    clock: systemClock,
    random: () => 0.5,
    logger: silentLogger,
  });
  await registry.guard.open(stopping.signal);
  term = await registry.leadership.campaign({ machineId: "engine", ttlMs }, stopping.signal);
  machines = new Map();
  for (const [index, machineId] of machineIds.entries()) {
    const request = {
      machineId,
      token: `token-${index}`,
      publicIp: "127.0.0.1",
      metadata: { n: `${index + 1}` },
      version: "2.0.0",
      ttlMs,
    };
    const outcome = await registry.registrations.register(request, stopping.signal);
    if (outcome.outcome !== "registered") throw new Error("not registered");
    machines.set(machineId, outcome.registration);
  }
  served = await serveApi(registry, { deadlineMs: 2_000 });
});

afterEach(async () => {
  await served.stop();
  for (const registration of machines.values()) await registration.leave();
  await term.resign();
  stopping.abort();
});

test("a session of fleet's own client gets the answers that fleet gave", async () => {
  const lines = (await readFile("test/fixtures/recorded-session.jsonl", "utf8")).trim().split("\n");
  const session = lines.map((line) => exchangeShape.parse(JSON.parse(line)));
  expect(session.filter(({ source }) => source === "recorded")).toHaveLength(76);
  expect(session.filter(({ source }) => source === "reconstructed")).toHaveLength(104);
  for (const [index, exchange] of session.entries()) {
    const expected = expectedJson(exchange.path, exchange.response);
    await bringAbout(exchange.path, expected);
    for (let turn = 0; turn < Math.min(exchange.repeated, 2); turn += 1) {
      const answer = await served.ask(exchange.method, exchange.path, {
        ...(exchange.body === undefined ? {} : { raw: exchange.body }),
        ...(exchange.contentType === undefined ? {} : { headers: { "content-type": exchange.contentType } }),
      });
      const what = `${index + 1}: ${exchange.cmd}: ${exchange.method} ${exchange.path}`;
      expect(answer.status, what).toBe(exchange.status);
      expect(answer.json, what).toEqual(expected);
    }
    if (exchange.method === "DELETE") await clearAway(exchange.path);
  }
});

/** An empty listing is `{}` in fleet; its client takes either. */
function expectedJson(path: string, response: string | undefined): unknown {
  if (response === undefined) return undefined;
  if (response !== "{}") return JSON.parse(response);
  return path.includes("/state") ? { states: [] } : { units: [] };
}

/** Plays engine and agents: does what must have happened on the machines for the recorded answer to be true. */
async function bringAbout(path: string, expected: unknown): Promise<void> {
  if (path.includes("/units")) {
    const one = unitShape.safeParse(expected);
    const list = unitPageShape.safeParse(expected);
    const units = one.success ? [one.data] : list.success ? list.data.units : [];
    for (const unit of units) {
      const isGlobal = unit.options.some((option) => option.name === "Global");
      if (!isGlobal) await place(unit.name, unit.machineID, unit.currentState ?? "inactive");
    }
  } else if (path.includes("/state")) {
    const one = unitStateShape.safeParse(expected);
    const list = unitStatePageShape.safeParse(expected);
    const states = one.success ? [one.data] : list.success ? list.data.states : [];
    for (const { name, machineID, ...state } of states) {
      const { systemdActiveState: active, systemdSubState: sub, systemdLoadState: load, hash } = state;
      const record = { hash, load, active, sub, launched: true };
      await machines.get(machineID)?.publish({ put: [{ unit: name, record }], remove: [] });
    }
  }
}

/** What engine and agents do about a unit that was destroyed. */
async function clearAway(path: string): Promise<void> {
  const unit = decodeURIComponent(path.replace(/^.*\/([^/?]+)\?.*$/, "$1"));
  for (const [machineId, registration] of machines) {
    await registry.commit(term, [{ op: "withdraw", machineId, unit }], stopping.signal);
    await registration.publish({ put: [], remove: [unit] });
  }
}

async function place(unit: string, machineID: string | undefined, current: string): Promise<void> {
  const submitted = await registry.intents.read(unit);
  if (submitted === undefined) throw new Error(`${unit} is not submitted`);
  const { hash, generation } = submitted.record;
  for (const [machineId, registration] of machines) {
    if (machineId !== machineID) {
      await registry.commit(term, [{ op: "withdraw", machineId, unit }], stopping.signal);
      await registration.publish({ put: [], remove: [unit] });
      continue;
    }
    const record = { hash, target: "launched", generation, awaits: [] } as const;
    await registry.commit(term, [{ op: "assign", machineId, unit, record }], stopping.signal);
    const present = (await registration.published()).get(unit);
    if (current === "inactive") await registration.publish({ put: [], remove: [unit] });
    else {
      const launched = current === "launched";
      const systemd = present ?? { load: "loaded", active: "inactive", sub: "dead" };
      await registration.publish({ put: [{ unit, record: { ...systemd, hash, launched } }], remove: [] });
    }
  }
}
