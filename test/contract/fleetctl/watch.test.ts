import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { options } from "./fleet-shell.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";
import { StreamServer, stateOf } from "./stream-server.ts";
import { Watching } from "./watching.ts";

const one = { id: "1acdd9bf0000", primaryIP: "10.0.0.1", metadata: { region: "eu" } };
const two = { id: "2acdd9bf0000", primaryIP: "10.0.0.2", metadata: {} };

let server: StreamServer;
let endpoint: string;

beforeEach(async () => {
  server = new StreamServer();
  server.rows = {
    machines: [one, two],
    states: [stateOf("a.service", one.id), stateOf("b.service", two.id)],
  };
  endpoint = await server.listen();
});

afterEach(() => server.close());

describe("--watch, when it is piped", () => {
  it("prints the rows, then a line for each change", async () => {
    const watching = new Watching(endpoint, "list-units --watch");
    expect(await watching.lines(3)).toEqual([
      "CHANGE\tUNIT\t\tMACHINE\t\t\tACTIVE\tSUB",
      "listed\ta.service\t1acdd9bf.../10.0.0.1\tactive\trunning",
      "listed\tb.service\t2acdd9bf.../10.0.0.2\tactive\trunning",
    ]);
    server.tell({
      states: {
        put: [stateOf("a.service", one.id, "failed", "failed"), stateOf("c.service", one.id)],
        removed: [{ name: "b.service", machineID: two.id }],
      },
    });
    expect(await watching.lines(6, 3)).toEqual([
      "removed\tb.service\t2acdd9bf.../10.0.0.2\tactive\trunning",
      "changed\ta.service\t1acdd9bf.../10.0.0.1\tfailed\tfailed",
      "added\tc.service\t1acdd9bf.../10.0.0.1\tactive\trunning",
    ]);
    expect(await watching.interrupt()).toMatchObject({ code: 130, stderr: "" });
    expect(server.asked).toEqual(["kinds=states%2Cmachines&options=none"]);
  });

  it("prints each as an object with --json", async () => {
    const watching = new Watching(endpoint, "--json list-machines -w region=*");
    const [listed = ""] = await watching.lines(1);
    expect(JSON.parse(listed)).toEqual({ change: "listed", row: one });
    server.tell({ machines: { put: [{ ...two, metadata: { region: "us" } }], removed: [one.id] } });
    const lines = (await watching.lines(3, 1)).map((line): unknown => JSON.parse(line));
    expect(lines).toEqual([
      { change: "removed", row: one },
      { change: "added", row: { ...two, metadata: { region: "us" } } },
    ]);
    await watching.interrupt();
  });

  it("says on stderr that re-placing is held, and that it no longer is, of machines alone", async () => {
    const massLoss = { at: "2026-11-20T17:28:04.123Z", vanished: 4, of: 6, machines: ["3", "4", "5", "6"] };
    server.rows = { ...server.rows, losses: { massLoss } };
    const watching = new Watching(endpoint, "list-machines -w --no-legend");
    await watching.says(
      "re-placing is held: 4 of 6 machines vanished at 2026-11-20T17:28:04.123Z; confirm with fleetctl confirm-loss\n",
    );
    server.tell({ losses: { massLoss: { ...massLoss, machines: ["3"] } } });
    await watching.says("; 1 of them are still away; confirm with fleetctl confirm-loss\n");
    server.tell({ losses: {} });
    await watching.says("re-placing is no longer held\n");
    expect((await watching.interrupt()).stderr.split("\n")).toHaveLength(4);
    const units = new Watching(endpoint, "list-units -w --no-legend");
    await units.lines(2);
    expect(await units.interrupt()).toMatchObject({ stderr: "" });
  });

  it("lists units by their summaries", async () => {
    const summary = {
      name: "a.service",
      desiredState: "launched",
      hash: "0123456789",
      description: "Web",
    } as const;
    server.rows = { ...server.rows, summaries: [{ ...summary, machineID: one.id }] };
    const watching = new Watching(
      endpoint,
      "list-unit-files -w --no-legend --fields=unit,hash,desc,state,target,global",
    );
    expect(await watching.lines(1)).toEqual([
      "listed\ta.service\t0123456\tWeb\t-\t1acdd9bf.../10.0.0.1\tfalse",
    ]);
    server.tell({ summaries: { put: [{ ...summary, hash: "x", global: true }], removed: [] } });
    expect(await watching.lines(2, 1)).toEqual(["changed\ta.service\tx\tWeb\t-\tglobal\t\t\ttrue"]);
    await watching.interrupt();
  });

  it("holds on to what the flags choose", async () => {
    const opened = server.opened();
    const watching = new Watching(
      endpoint,
      "list-units -w --no-legend --fields=unit,active --state=failed --machine=10.0.0.1 [ab]*",
    );
    await opened;
    const failed = (name: string, id: string) => stateOf(name, id, "failed", "failed");
    // The first that shows is in the second message.
    server.tell({ states: { put: [failed("b.service", two.id), failed("c.service", one.id)], removed: [] } });
    server.tell({ states: { put: [failed("a.service", one.id)], removed: [] } });
    server.tell({ states: { put: [stateOf("a.service", one.id)], removed: [] } });
    expect(await watching.lines(2)).toEqual(["added\ta.service\tfailed", "removed\ta.service\tfailed"]);
    await watching.interrupt();
  });

  it.each([
    ["list-units -w --state=nope", '--state: unknown state "nope"'],
    ["list-units -w --machine=3", '--machine: no machine has the id or IP "3"'],
    ["list-machines -w --sort=nope", 'Invalid key to sort by: "nope"'],
  ])("%s fails at once", async (line, message) => {
    const { code, stderr } = await new Watching(endpoint, line).ended;
    expect([code, stderr.startsWith(message)]).toEqual([1, true]);
  });

  it("fails when nobody answers to begin with", async () => {
    await server.close();
    const { code, stderr } = await new Watching(endpoint, "list-units -w").ended;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^Error following the cluster: .*ECONNREFUSED.*\n {2}Is fleetd running there/),
    ]);
    await server.listen();
  });

  it("ends when nobody reads on", async () => {
    const watching = new Watching(endpoint, "list-units -w");
    await watching.lines(3);
    expect((await watching.close()).code).toBe(0);
  });
});

describe("--watch, when the connection is lost", () => {
  it("says so, goes on where it was, and tells what it missed", async () => {
    const watching = new Watching(endpoint, "list-units -w --no-legend --fields=unit,active");
    await watching.lines(2);
    server.missed = { states: { put: [stateOf("a.service", one.id, "failed")], removed: [] } };
    server.cut();
    expect(await watching.lines(3, 2)).toEqual(["changed\ta.service\tfailed"]);
    const { stderr } = await watching.interrupt();
    expect(stderr).toMatch(/^Connection lost: .*\. Trying again\.\nConnected again\.\n$/);
    expect(server.asked[1]).toBe("kinds=states%2Cmachines&options=none&since=2&cluster=c%2F1");
  });

  it("compares with a whole picture when what it missed is too old", async () => {
    const watching = new Watching(endpoint, "list-units -w --no-legend --fields=unit,active");
    await watching.lines(2);
    server.missed = "too old";
    server.rows = { ...server.rows, states: [stateOf("b.service", two.id), stateOf("c.service", two.id)] };
    server.cut();
    expect(await watching.lines(4, 2)).toEqual(["removed\ta.service\tactive", "added\tc.service\tactive"]);
    await watching.interrupt();
  });

  it("says when the daemon has lost etcd, once", async () => {
    const watching = new Watching(endpoint, "list-units -w --no-legend --fields=unit");
    await watching.lines(2);
    for (let n = 0; n < 3; n += 1) server.say("stale", "etcd is away");
    server.say("connected");
    server.rows = { ...server.rows, states: [] };
    server.snapshot();
    await watching.lines(4);
    expect((await watching.interrupt()).stderr).toBe(
      "Connection lost: the daemon has lost its connection to etcd: etcd is away. Trying again.\nConnected again.\n",
    );
  });

  it("looks every so often where the server has no streams", async () => {
    const fleet = new ScriptedFleet();
    fleet.add("a.service", options(), "launched");
    const watching = new Watching(await fleet.listen(), "list-unit-files -w --no-legend --fields=unit,state");
    expect(await watching.lines(1)).toEqual(["listed\ta.service\tlaunched"]);
    fleet.add("b.service", options(), "inactive");
    expect(await watching.lines(2, 1)).toEqual(["added\tb.service\tinactive"]);
    fleet.etcdAway = true;
    await watching.says("Connection lost");
    fleet.etcdAway = false;
    fleet.units.delete("a.service");
    expect(await watching.lines(3, 2)).toEqual(["removed\ta.service\tlaunched"]);
    const { stderr } = await watching.interrupt();
    expect(stderr).toMatch(/^Connection lost: .*etcd.*\. Trying again\.\nConnected again\.\n$/);
    await fleet.close();
  });
});

describe("--watch, on a terminal", () => {
  it("shows a table in place until q", async () => {
    const watching = new Watching(endpoint, "list-units -w", { terminal: true });
    await watching.shows("a.service");
    server.tell({ states: { put: [stateOf("a.service", one.id, "failed", "failed")], removed: [] } });
    await watching.shows("* a.service  1acdd9bf.../10.0.0.1  failed  failed");
    server.cut();
    await watching.shows("STALE since");
    await watching.shows("connected");
    watching.terminal.type("q");
    expect(await watching.ended).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(watching.terminal.isAlternate).toBe(false);
  });

  it("shows on the last line that re-placing is held, until it no longer is", async () => {
    const watching = new Watching(endpoint, "list-machines -w", { terminal: true });
    await watching.shows("2 machines   connected");
    const massLoss = { at: "2026-11-20T17:28:04.123Z", vanished: 4, of: 6, machines: ["3", "4", "5", "6"] };
    server.tell({ losses: { massLoss } });
    await watching.shows("2 machines   HELD: 4 of 6 vanished, see fleetctl confirm-loss   connected");
    server.tell({ losses: {} });
    await watching.shows("2 machines   connected");
    watching.terminal.type("q");
    expect(await watching.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("gives the terminal back on Ctrl-C and on a signal", async () => {
    const typed = new Watching(endpoint, "list-units -w", { terminal: true });
    await typed.shows("a.service");
    typed.terminal.type("\u0003");
    expect(await typed.ended).toEqual({ code: 130, stdout: "", stderr: "" });
    const signalled = new Watching(endpoint, "list-units -w", { terminal: true });
    await signalled.shows("a.service");
    expect(await signalled.interrupt()).toMatchObject({ code: 130, stderr: "" });
    expect([typed, signalled].map(({ terminal }) => terminal.isAlternate)).toEqual([false, false]);
  });

  it("leaves the terminal alone with --json, and when it cannot begin", async () => {
    const json = new Watching(endpoint, "list-units -w --json", { terminal: true });
    await json.lines(2);
    await json.interrupt();
    const failed = new Watching(endpoint, "list-units -w --state=nope", { terminal: true });
    expect((await failed.ended).code).toBe(1);
    expect([json, failed].map(({ terminal }) => terminal.written)).toEqual(["", ""]);
  });
});
