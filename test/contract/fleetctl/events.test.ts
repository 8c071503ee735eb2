import type { ApiEvent } from "@fleet/api/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";
import { StreamServer } from "./stream-server.ts";
import { Watching } from "./watching.ts";

const one = { id: "1acdd9bf0000", primaryIP: "10.0.0.1", metadata: {} };
const two = { id: "2acdd9bf0000", primaryIP: "10.0.0.2", metadata: {} };

function event(n: number, kind: ApiEvent["kind"], about: Partial<ApiEvent> = {}): ApiEvent {
  const at = new Date(2026, 10, 29, 9, 5, n).toISOString();
  return { id: `1-1.00${n}`, at, kind, text: `${kind} ${n}`, ...about };
}

const history = [
  event(1, "machine-joined", { machineID: one.id }),
  event(2, "assigned", { unit: "web@1.service", machineID: one.id }),
  event(3, "waiting", { unit: "db.service" }),
  event(4, "machine-lost", { machineID: one.id }),
  event(5, "moved", { unit: "web@1.service", machineID: two.id, fromMachineID: one.id }),
  event(6, "omitted"),
];

let server: StreamServer;
let endpoint: string;

beforeEach(async () => {
  server = new StreamServer();
  server.events = history;
  server.rows = { machines: [two], events: history };
  endpoint = await server.listen();
});

afterEach(() => server.close());

/** The numbers of the events that a command line prints. */
async function shown(line: string): Promise<string> {
  const { code, stdout, stderr } = await fleetctl(endpoint, line.split(" "));
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.replaceAll(/^.*(\d)\n/gm, "$1");
}

describe("events", () => {
  it("have a time, a kind and a text", async () => {
    const { stdout } = await fleetctl(endpoint, ["events"]);
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "2026-11-29 09:05:01\tmachine-joined\tmachine-joined 1",
      "2026-11-29 09:05:02\tassigned\tassigned 2",
    ]);
    expect(stdout.split("\n")).toHaveLength(7);
  });

  it.each([
    ["events", "123456"],
    ["events --lines=2", "56"],
    ["events -n 0", ""],
    ["events --unit=web@1", "256"],
    ["events --unit=web@*,db", "2356"],
    // The first is gone, and known by what is told of it alone.
    ["events --machine=1acd", "12456"],
    ["events --machine=10.0.0.2", "56"],
    ["events --machine=1acd...", "12456"],
    ["events --machine=1acd --unit=web* -n 2", "56"],
  ])("%s shows %s", async (line, numbers) => {
    expect(await shown(line)).toBe(numbers);
  });

  it("are in colours on a terminal, and plain for programs", async () => {
    const colored = await fleetctl(endpoint, ["events"], { isTerminal: { stdout: true, stderr: true } });
    expect(colored.stdout).toContain("\u001b[31mmachine-lost\u001b[39m\tmachine-lost 4");
    const json = await fleetctl(endpoint, ["events", "--json"]);
    expect(
      json.stdout
        .trimEnd()
        .split("\n")
        .map((line): unknown => JSON.parse(line)),
    ).toEqual(history);
  });

  it.each([
    ["events web@1", 2, "events takes no arguments: --unit and --machine choose"],
    ["events --lines=-1", 2, 'invalid value "-1" for flag --lines'],
    ["events --machine=m2", 1, '--machine: no machine has the id or IP "m2"'],
    // That of a machine that is gone is known to nobody: events have ids alone.
    ["events -f --machine=10.0.0.1", 1, '--machine: no machine has the id or IP "10.0.0.1"'],
    ["events --unit=web@[", 1, "web@[: malformed pattern"],
  ])("%s is refused", async (line, code, message) => {
    const outcome = await fleetctl(endpoint, line.split(" "));
    expect([outcome.code, outcome.stderr.split("\n")[0]]).toEqual([code, message]);
  });

  it.each(["events", "events -f"])("%s says when the daemon tells of none", async (line) => {
    const fleet = new ScriptedFleet();
    const { code, stderr } = await fleetctl(await fleet.listen(), line.split(" "));
    expect([code, stderr]).toEqual([1, expect.stringContaining("The daemon tells of no events")]);
    await fleet.close();
    server.rows = {};
    server.events = undefined;
    expect(await fleetctl(endpoint, line.split(" "))).toMatchObject({ code: 1, stderr });
  });
});

describe("events --follow", () => {
  const numbers = (lines: readonly string[]): string => lines.map((line) => line.at(-1)).join("");

  it("shows the latest, and then what comes", async () => {
    const watching = new Watching(endpoint, "events -f --lines=2 --unit=web@*");
    expect(numbers(await watching.lines(2))).toBe("56");
    server.tell({ events: [event(7, "waiting", { unit: "db.service" })] });
    server.tell({ events: [event(8, "withdrawn", { unit: "web@1.service" })] });
    expect(await watching.lines(3, 2)).toEqual(["2026-11-29 09:05:08\twithdrawn\twithdrawn 8"]);
    expect(await watching.interrupt()).toMatchObject({ code: 130, stderr: "" });
    expect(server.asked).toEqual(["kinds=events"]);
  });

  it("shows ten to begin with", async () => {
    server.rows = { events: Array.from({ length: 12 }, (_, n) => event(n, "omitted")) };
    const watching = new Watching(endpoint, "events -f");
    await watching.lines(10);
    expect((await watching.close()).stdout.split("\n")).toHaveLength(11);
  });

  it("tells each event once, and all of them, across a lost connection", async () => {
    const watching = new Watching(endpoint, "events -f");
    await watching.lines(6);
    server.missed = { events: [event(7, "updated")] };
    server.cut();
    expect(numbers(await watching.lines(7, 6))).toBe("7");
    // The daemon cannot tell what was missed: it shows all that is kept.
    server.missed = "too old";
    server.rows = { events: [...history.slice(3), event(7, "updated"), event(8, "updated")] };
    server.cut();
    expect(numbers(await watching.lines(8, 7))).toBe("8");
    expect((await watching.interrupt()).stderr).toMatch(
      /^Connection lost: .*\. Trying again\.\nConnected again\.\nConnection lost: .*\. Trying again\.\nConnected again\.\n$/,
    );
  });

  it("says when some may be missing", async () => {
    const watching = new Watching(endpoint, "events -f --json");
    await watching.lines(6);
    server.missed = "too old";
    server.rows = { events: [event(8, "updated")] };
    server.cut();
    await watching.lines(7);
    expect((await watching.interrupt()).stderr).toContain("Events before these may be missing");
  });
});
