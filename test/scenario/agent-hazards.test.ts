import type { JournalStore } from "@fleet/agent";
import type { TxnRequest } from "@fleet/registry";
import { FleetError } from "@fleet/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentBench,
  type AgentProcess,
  machineId,
  settledAgent,
  sleeper,
  slowStop,
} from "./agent-bench.ts";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

function removesRow({ success }: TxnRequest): boolean {
  return success.some(
    ({ op, ...rest }) => op === "delete" && "from" in rest && rest.from.includes("/states/"),
  );
}

function machineRow(): { readonly leaving: boolean } | undefined {
  const [row] = bench.etcd.range({ from: `/fleet/machines/${machineId}` }).rows;
  return row && JSON.parse(row.value);
}

/** Asks the agent to leave and tells whether it has. */
function leave({ agent: leaver }: AgentProcess): () => boolean {
  let left = false;
  void leaver.leave().then(() => {
    left = true;
  });
  return () => left;
}

// The engine, seeing neither an assignment nor a row, starts a unit elsewhere at once.
describe("no unit runs without its row", () => {
  test("new content waits for its own row while the row of the old is on its way out", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    agent.held.hold(removesRow);
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advanceUntil(() => agent.held.waiting > 0, 4000, 1);
    await bench.clock.advance(200);
    expect(bench.systemd.read("a.service")).toBe(sleeper);
    expect(bench.starts("a.service")).toBe(1);
    agent.held.release();
    await bench.clock.advanceUntil(() => bench.starts("a.service") === 2, 1000, 1);
    expect(bench.row("a.service")).toBeDefined();
  });

  test("killed between systemd's start and its own note of it, its successor keeps the row to the end", async () => {
    const unwatch = bench.systemd.watch(() => agent.kill());
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advanceUntil(() => bench.starts("a.service") === 1, 1000, 1);
    unwatch();
    await bench.withdraw("a.service");
    agent = bench.start();
    await bench.registered(agent);
    await bench.clock.advanceUntil(() => {
      if (bench.systemd.running().length > 0) expect(bench.row("a.service")).toBeDefined();
      return bench.systemd.files().length === 0;
    }, 10_000);
    await bench.clock.advance(200);
    expect(bench.history("a.service")).toContain("stopped");
    expect(bench.row("a.service")).toBeUndefined();
  });
});

describe("a machine that leaves", () => {
  test("says so as soon as it can when the store was away at first", async () => {
    await bench.assign("slow.service", slowStop, "launched");
    await bench.assign("quick.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.store.cut();
    const left = leave(agent);
    await bench.clock.advance(1200);
    agent.store.heal();
    await bench.clock.advanceUntil(() => machineRow()?.leaving === true, 2500);
    expect(left()).toBe(false);
    await bench.clock.advanceUntil(left, 10_000);
    expect(machineRow()).toBeUndefined();
  });

  test("takes back a registration that was still under way when it left", async () => {
    agent.kill();
    agent = bench.start();
    agent.held.hold(({ success }) => success.some((operation) => "key" in operation));
    await bench.clock.advanceUntil(() => agent.held.waiting > 0, 1000, 1);
    const left = leave(agent);
    await bench.clock.advanceUntil(left, 5000);
    agent.held.release();
    await bench.clock.advance(1000);
    expect(machineRow()).toBeUndefined();
  });

  test("loses no removal of a row that crosses with its word", async () => {
    await bench.assign(
      "slow.service",
      "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 60\n",
      "launched",
    );
    await bench.assign("quick.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.held.hold(removesRow);
    await bench.withdraw("quick.service");
    await bench.clock.advanceUntil(() => agent.held.waiting > 0, 1000, 1);
    const left = leave(agent);
    await bench.clock.advanceUntil(() => machineRow()?.leaving === true, 1000, 1);
    agent.held.release();
    await bench.clock.advance(1000);
    expect(bench.row("quick.service")).toBeUndefined();
    expect(left()).toBe(false);
  });

  test("unloads its units also when asked before the journal has been read", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    agent.kill();
    const slow = (journal: JournalStore): JournalStore => ({
      ...journal,
      load: async () => {
        await new Promise<void>((resolve) => bench.clock.after(100, resolve));
        return await journal.load();
      },
    });
    agent = bench.start({ journal: slow });
    const left = leave(agent);
    await bench.clock.advanceUntil(left, 30_000);
    expect(bench.history("a.service").slice(-4)).toEqual(["stop-queued", "stopped", "removed", "forgotten"]);
  });

  test("does not count as gone when its journal cannot be read", async () => {
    agent.kill();
    const broken = (journal: JournalStore): JournalStore => ({
      ...journal,
      load: () => Promise.reject(new FleetError("journal_failed", "input/output error")),
    });
    agent = bench.start({ journal: broken });
    const ended = expect(agent.ended).rejects.toMatchObject({ code: "journal_failed" });
    await expect(agent.agent.leave()).rejects.toMatchObject({ code: "journal_failed" });
    await ended;
  });
});

describe("an agent that ends in order", () => {
  test("hears what became of the starts under way, so that its successor does not repeat them", async () => {
    const { manager } = agent;
    const start = manager.start.bind(manager);
    manager.start = async (name) => {
      await start(name);
      // The answer takes its time, and comes only while there is a connection.
      await new Promise<void>((resolve) => bench.clock.after(50, resolve));
      await manager.status([name]);
    };
    await bench.assign("once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n", "launched");
    await bench.clock.advanceUntil(() => bench.starts("once.service") === 1, 1000, 1);
    agent.end();
    await bench.clock.advance(1000);
    await agent.ended;
    agent.kill();
    agent = bench.start();
    await bench.registered(agent);
    await bench.clock.advance(1000);
    expect(bench.starts("once.service")).toBe(1);
  });

  test("has ended its last write before another takes over", async () => {
    agent.kill();
    let underWay = 0;
    const slow = (journal: JournalStore): JournalStore => ({
      ...journal,
      put: async (entry) => {
        underWay += 1;
        await new Promise<void>((resolve) => bench.clock.after(500, resolve));
        await journal.put(entry);
        underWay -= 1;
      },
    });
    agent = bench.start({ journal: slow });
    await bench.registered(agent);
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advanceUntil(() => underWay > 0, 1000);
    let ended = false;
    void agent.ended.then(() => {
      ended = true;
    });
    agent.end();
    await bench.clock.advanceUntil(() => ended, 5000);
    expect(underWay).toBe(0);
  });
});

test("what systemd refuses to say leaves the machine registered", async () => {
  await bench.assign("a.service", sleeper, "launched");
  await bench.clock.advance(200);
  const { registration } = agent.agent.report();
  agent.manager.status = () => Promise.reject(new FleetError("systemd_refused", "access denied"));
  await bench.assign("b.service", sleeper, "launched");
  for (let second = 0; second < 10; second += 1) {
    await bench.clock.advance(1000);
    expect(agent.agent.report().registration).toBe(registration);
  }
});

describe("a unit that cannot be loaded", () => {
  const attempts = (): number => bench.history("new.service").filter((kind) => kind === "enabled").length;

  beforeEach(async () => {
    const { manager } = agent;
    const { enable, prepare } = manager;
    manager.prepare = async (names) => {
      await prepare.call(manager, names);
      bench.systemd.daemonReload();
    };
    manager.enable = async (name) => {
      await enable.call(manager, name);
      throw new FleetError("systemd_timeout", "systemd did not answer in time", { retryable: true });
    };
    await bench.assign("new.service", `${sleeper}[Install]\nWantedBy=default.target\n`, "launched");
  });

  test("is tried ever more rarely, although each attempt takes a daemon-reload", async () => {
    await bench.clock.advance(60_000);
    expect(attempts()).toBeGreaterThan(3);
    expect(attempts()).toBeLessThan(15);
  });

  test("is tried at once when systemd is back", async () => {
    await bench.clock.advance(60_000);
    const before = attempts();
    agent.manager.disconnect();
    agent.manager.reconnect();
    await bench.clock.advance(100);
    expect(attempts()).toBe(before + 1);
  });
});
