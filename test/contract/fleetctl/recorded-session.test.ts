import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { acceleratedClock, fleetctl } from "./command-line.ts";

/** What fleet 1.0 answered to its own client, command by command. */
const recording = fileURLToPath(new URL("../../fixtures/recorded-session.jsonl", import.meta.url));

interface Exchange {
  readonly cmd: string;
  readonly method: string;
  /** Decoded, without its query. */
  readonly path: string;
  readonly status: number;
  readonly response?: string;
  readonly repeated?: number;
}

function readExchange(line: string): Exchange {
  const recorded: Exchange = JSON.parse(line);
  return { ...recorded, path: decodeURIComponent(recorded.path.replace("?alt=json", "")) };
}

/** Answers with what was recorded for one command, the last answer to a request again and again. */
class Replay {
  readonly #answers = new Map<string, Exchange[]>();

  constructor(exchanges: readonly Exchange[]) {
    for (const exchange of exchanges) {
      const request = `${exchange.method} ${exchange.path}`;
      const times = Array.from({ length: exchange.repeated ?? 1 }, () => exchange);
      this.#answers.set(request, [...(this.#answers.get(request) ?? []), ...times]);
    }
  }

  answer(method: string, path: string, response: ServerResponse): void {
    const { status, body } = this.#recorded(method, path) ?? this.#listed(path);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(body);
  }

  #recorded(method: string, path: string): { status: number; body: string } | undefined {
    const [next, ...later] = this.#answers.get(`${method} ${path}`) ?? [];
    if (next === undefined) return undefined;
    if (later.length > 0) this.#answers.set(`${method} ${path}`, later);
    return { status: next.status, body: next.response ?? "" };
  }

  /** Where fleet's client read all units to find some, ours asks for them one by one. */
  #listed(path: string): { status: number; body: string } {
    const list = this.#answers.get("GET /fleet/v1/units")?.[0]?.response ?? "{}";
    const { units = [] }: { units?: readonly { name: string }[] } = JSON.parse(list);
    const unit = units.find(({ name }) => path.endsWith(`/units/${name}`));
    if (unit !== undefined) return { status: 200, body: JSON.stringify(unit) };
    return { status: 404, body: '{"error":{"code":404,"message":"unit does not exist"}}' };
  }
}

let exchanges: readonly Exchange[];
let replay: Replay;
let server: Server;
let endpoint: string;
let directory: string;

beforeAll(async () => {
  const lines = (await readFile(recording, "utf8")).trim().split("\n");
  exchanges = lines.map(readExchange);
  server = createServer((request, response) => {
    request.resume();
    replay.answer(request.method ?? "", decodeURIComponent(request.url ?? ""), response);
  });
  directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
  const socketPath = join(directory, "fleet.sock");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  endpoint = `unix://${socketPath}`;
  const sleeper = "[Unit]\nDescription=sleeper\n[Service]\nExecStart=/bin/sleep infinity\n";
  await writeFile(join(directory, "s.service"), sleeper);
  await writeFile(join(directory, "t@.service"), sleeper);
  await writeFile(join(directory, "t@1.service"), `${sleeper}Nice=5\n`);
  await writeFile(join(directory, "g.service"), `${sleeper}[X-Fleet]\nGlobal=true\n`);
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

describe("the recorded answers of fleet 1.0", () => {
  const on = "on abcd0001.../127.0.0.1";
  const cases: readonly [cmd: string, files: readonly string[], stdout: string][] = [
    [
      "list-machines",
      [],
      "MACHINE\t\tIP\t\tMETADATA\nabcd0001...\t127.0.0.1\tn=1\nabcd0002...\t127.0.0.1\tn=2\n",
    ],
    ["submit s.service", ["s.service"], "Unit s.service inactive\n"],
    ["load s.service", ["s.service"], `Unit s.service loaded ${on}\n`],
    ["start s.service", ["s.service"], `Unit s.service launched ${on}\n`],
    ["stop s.service", [], `Unit s.service loaded ${on}\n`],
    ["unload s.service", [], "Unit s.service inactive\n"],
    ["cat s.service", [], "[Unit]\nDescription=sleeper\n\n[Service]\nExecStart=/bin/sleep infinity\n"],
    ["destroy s.service", [], "Destroyed s.service\n"],
    ["submit t@.service", ["t@.service"], "Unit t@.service inactive\n"],
    ["start t@1.service", [], `Unit t@1.service inactive\nUnit t@1.service launched ${on}\n`],
    ["start --no-block t@2.service", [], "Unit t@2.service inactive\nTriggered unit t@2.service start\n"],
    ["start g.service", ["g.service"], "Unit g.service inactive\n"],
    ["start --replace t@1.service", ["t@1.service"], `Unit t@1.service launched ${on}\n`],
  ];

  it.each(cases)("lead %s to fleet's own lines", async (cmd, files, stdout) => {
    const recorded = exchanges.filter((exchange) => exchange.cmd === cmd);
    expect(recorded).not.toEqual([]);
    replay = new Replay(recorded);
    const args = cmd.split(" ").map((word) => (files.includes(word) ? join(directory, word) : word));
    const outcome = await fleetctl(endpoint, args, { clock: acceleratedClock(20) });
    expect(outcome.stdout).toBe(stdout);
    expect(outcome.code).toBe(0);
  });

  it("list nothing as nothing", async () => {
    replay = new Replay(
      exchanges.filter(({ cmd, response }) => cmd.startsWith("list-") && response === "{}"),
    );
    expect((await fleetctl(endpoint, ["list-units", "--no-legend"])).stdout).toBe("");
    expect((await fleetctl(endpoint, ["list-unit-files"])).stdout).toBe(
      "UNIT\tHASH\tDSTATE\tSTATE\tTARGET\n",
    );
  });

  it("list units and unit files", async () => {
    const rows = (cmd: string): Replay =>
      new Replay(
        exchanges.filter((exchange) => exchange.cmd === cmd && exchange.response !== "{}").slice(-2),
      );
    replay = rows("list-units");
    expect((await fleetctl(endpoint, ["list-units", "--no-legend"])).stdout).toBe(
      "t@1.service\tabcd0001.../127.0.0.1\tactive\trunning\n",
    );
    replay = rows("list-unit-files");
    const { stdout } = await fleetctl(endpoint, [
      "list-unit-files",
      "--fields=unit,dstate,state,target",
      "--no-legend",
    ]);
    expect(stdout).toContain("g.service\tlaunched\t-\t\tglobal\n");
    expect(stdout).toContain("t@.service\tinactive\tinactive\t-\n");
    expect(stdout).toContain("t@1.service\tlaunched\tlaunched\tabcd0001.../127.0.0.1\n");
  });
});
