import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type AgentBench,
  type AgentProcess,
  machineId,
  settledAgent,
  sleeper,
  slowStop,
} from "./agent-bench.ts";

const slowStart = "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n";
const oneshot = "[Service]\nType=oneshot\nExecStart=/bin/true\n";
const installed = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=default.target\n";
const badInstall = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nAlias=other.socket\n";

let bench: AgentBench;
let agent: AgentProcess;

beforeEach(async () => {
  ({ bench, agent } = await settledAgent());
});

afterEach(async () => {
  agent.kill();
  await bench.close();
});

describe("an agent", () => {
  test("loads without starting, starts, stops and unloads as its assignment says", async () => {
    await bench.assign("a.service", sleeper, "loaded");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("inactive dead");
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("active running launched");
    await bench.assign("a.service", sleeper, "loaded");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("inactive dead");
    await bench.withdraw("a.service");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBeUndefined();
    expect(bench.systemd.files()).toEqual([]);
    expect(agent.agent.report().journal).toEqual([]);
  });

  test("publishes a row before it starts a unit", async () => {
    await bench.assign("a.service", sleeper, "launched");
    const rowAt = await bench.clock.advanceUntil(() => bench.row("a.service") !== undefined, 1000, 1);
    expect(bench.starts("a.service")).toBe(0);
    const startedAfter = await bench.clock.advanceUntil(() => bench.starts("a.service") > 0, 1000, 1);
    expect(rowAt + startedAfter).toBeGreaterThan(rowAt);
  });

  test("publishes the row of a unit to be launched while its file is written", async () => {
    agent.directory.fail("ENOSPC", "write");
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("inactive dead");
    expect(bench.starts("a.service")).toBe(0);
    agent.directory.fail(undefined);
    await bench.clock.advanceUntil(() => bench.row("a.service") === "active running launched", 20_000);
  });

  test("takes the row of a unit away whose file could not be written", async () => {
    agent.directory.fail("ENOSPC", "write");
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    await bench.withdraw("a.service");
    await bench.clock.advanceUntil(() => bench.row("a.service") === undefined, 20_000);
    agent.directory.fail(undefined);
    await bench.clock.advance(20_000);
    expect(bench.starts("a.service")).toBe(0);
    expect(agent.agent.report().journal).toEqual([]);
  });

  test("publishes the row of a unit to be loaded only once it is: it counts as loaded then", async () => {
    agent.directory.fail("ENOSPC", "write");
    await bench.assign("a.service", sleeper, "loaded");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBeUndefined();
    agent.directory.fail(undefined);
    await bench.clock.advanceUntil(() => bench.row("a.service") === "inactive dead", 20_000);
  });

  test("does not start a unit that is withdrawn before its row is written", async () => {
    agent.store.cut();
    await bench.assign("a.service", sleeper, "launched");
    await bench.withdraw("a.service");
    agent.store.heal();
    await bench.clock.advance(20_000);
    expect(bench.starts("a.service")).toBe(0);
    expect(bench.systemd.files()).toEqual([]);
  });

  test.each<readonly [string, () => Promise<void>, readonly string[]]>([
    ["withdrawn", () => bench.withdraw("a.service"), []],
    ["to be loaded only", () => bench.assign("a.service", sleeper, "loaded"), ["a.service"]],
    ["of other content", () => bench.assign("a.service", slowStop, "loaded"), ["a.service"]],
  ])("does not start a unit that is %s by the time systemd has read its file", async (_, change, files) => {
    const prepare = agent.manager.prepare.bind(agent.manager);
    let read = (): void => {};
    const slow = new Promise<void>((resolve) => {
      read = resolve;
    });
    vi.spyOn(agent.manager, "prepare").mockImplementationOnce((names) => slow.then(() => prepare(names)));
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advanceUntil(() => bench.row("a.service") !== undefined, 1000);
    await change();
    await bench.clock.advance(200);
    read();
    await bench.clock.advance(2000);
    expect(bench.starts("a.service")).toBe(0);
    expect(bench.systemd.files()).toEqual(files);
    expect(bench.row("a.service")).toBe(files.length === 0 ? undefined : "inactive dead");
  });

  test("writes all units that arrive together before it starts any", async () => {
    agent.store.cut();
    await bench.assign("a.service", sleeper, "launched");
    await bench.assign("b.service", sleeper, "launched");
    agent.store.heal();
    await bench.clock.advanceUntil(() => bench.systemd.running().length === 2, 20_000);
    const kinds = bench.systemd.history.map((event) => event.kind);
    expect(kinds.lastIndexOf("written")).toBeLessThan(kinds.indexOf("start-queued"));
  });

  test("removes a file only after ExecStop has ended", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    await bench.withdraw("a.service");
    await bench.clock.advance(2500);
    expect(bench.row("a.service")).toBe("deactivating stop");
    expect(bench.systemd.files()).toEqual(["a.service"]);
    await bench.clock.advance(1000);
    expect(bench.row("a.service")).toBeUndefined();
    expect(bench.history("a.service").slice(-4)).toEqual(["stop-queued", "stopped", "removed", "forgotten"]);
  });

  test("a slow start of one unit keeps no other waiting, and can be stopped", async () => {
    await bench.assign("slow.service", slowStart, "launched");
    await bench.clock.advance(200);
    expect(bench.row("slow.service")).toBe("activating start-pre launched");
    await bench.assign("quick.service", sleeper, "launched");
    await bench.clock.advance(200);
    expect(bench.row("quick.service")).toBe("active running launched");
    await bench.withdraw("slow.service");
    await bench.clock.advance(200);
    expect(bench.row("slow.service")).toBeUndefined();
  });

  test("a finished oneshot and a unit stopped by hand are left alone across a restart", async () => {
    await bench.assign("once.service", oneshot, "launched");
    await bench.assign("hand.service", sleeper, "launched");
    await bench.clock.advance(200);
    bench.systemd.stop("hand.service", () => {});
    agent.kill();
    agent = bench.start();
    await bench.registered(agent);
    await bench.clock.advance(1000);
    expect(bench.starts("once.service")).toBe(1);
    expect(bench.starts("hand.service")).toBe(1);
    expect(bench.row("once.service")).toBe("inactive dead launched");
    await bench.assign("hand.service", sleeper, "launched");
    await bench.clock.advance(200);
    expect(bench.row("hand.service")).toBe("active running launched");
  });

  test("new content replaces the old after its ExecStop", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    await bench.assign("a.service", oneshot, "launched");
    await bench.clock.advance(4000);
    expect(bench.history("a.service")).toEqual([
      "written",
      "start-queued",
      "started",
      "stop-queued",
      "stopped",
      "removed",
      "forgotten",
      "written",
      "start-queued",
      "started",
      "finished",
    ]);
    expect(bench.systemd.read("a.service")).toBe(oneshot);
  });

  test("enables what has an [Install] section, and disables it when it goes", async () => {
    await bench.assign("a.service", installed, "loaded");
    await bench.clock.advance(200);
    expect(bench.systemd.enabled()).toEqual(["a.service"]);
    await bench.withdraw("a.service");
    await bench.clock.advance(200);
    expect(bench.systemd.enabled()).toEqual([]);
  });

  test("a unit that cannot be enabled is reported as failed and not started", async () => {
    await bench.assign("a.service", badInstall, "launched");
    await bench.clock.advance(200);
    expect(bench.row("a.service")).toBe("failed failed launched");
    expect(bench.starts("a.service")).toBe(0);
  });

  test("a replacer is loaded only when what it replaces is gone", async () => {
    await bench.assign("old.service", slowStop, "launched");
    await bench.clock.advance(200);
    await bench.assign("new.service", sleeper, "launched", ["old.service"]);
    await bench.withdraw("old.service");
    await bench.clock.advance(2000);
    expect(bench.systemd.files()).toEqual(["old.service"]);
    await bench.clock.advance(2000);
    expect(bench.systemd.running()).toEqual(["new.service"]);
  });

  test("leaves a file alone that it did not write", async () => {
    bench.systemd.write("a.service", "[Service]\nExecStart=/bin/other\n");
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(5000);
    expect(bench.systemd.read("a.service")).toBe("[Service]\nExecStart=/bin/other\n");
    expect(bench.starts("a.service")).toBe(0);
    expect(bench.row("a.service")).toBeUndefined();
  });

  test("stops nothing before its registration is settled", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.store.cut();
    await bench.clock.advance(10_000);
    await bench.withdraw("a.service");
    agent.store.heal();
    await bench.registered(agent);
    await bench.clock.advance(5000);
    expect(bench.systemd.running()).toEqual(["a.service"]);
    expect(bench.row("a.service")).toBe("active running launched");
    await bench.settle(agent.agent);
    await bench.clock.advance(1000);
    expect(bench.systemd.running()).toEqual([]);
  });

  test("stops nothing because the store was wiped, and writes nothing into it", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    const all = bench.etcd.range({ from: "/fleet/", to: "/fleet0" }).rows;
    bench.etcd.txn({ compares: [], success: [{ op: "delete", from: "/fleet/", to: "/fleet0" }] });
    expect(all.length).toBeGreaterThan(0);
    await bench.clock.advance(60_000);
    expect(bench.systemd.running()).toEqual(["a.service"]);
    expect(bench.etcd.range({ from: "/fleet/", to: "/fleet0" }).rows).toEqual([]);
  });

  test("keeps its units for as long as the store is away", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.store.cut();
    await bench.clock.advance(3_600_000);
    expect(bench.systemd.running()).toEqual(["a.service"]);
    expect(bench.history("a.service")).toEqual(["written", "start-queued", "started"]);
  });

  test("a restarted agent takes its machine over at once, without touching its units", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    const before = agent.agent.report().registration;
    agent.kill();
    agent = bench.start();
    await bench.clock.advance(500);
    expect(agent.agent.report().registration).toBe(before);
    // The rows of the killed process hung on a lease that is dead by now.
    await bench.clock.advance(10_000);
    expect(bench.row("a.service")).toBe("active running launched");
    expect(bench.history("a.service")).toEqual(["written", "start-queued", "started"]);
  });

  test("a second agent with this machine's id is refused, and the first undisturbed", async () => {
    const second = bench.start({ token: "token-2" });
    await bench.clock.advance(20_000);
    expect(second.agent.report().registration).toBeUndefined();
    expect(agent.agent.report().registration).toBeDefined();
    second.kill();
  });

  test("after a reboot it waits for the lease of its former life, then starts with nothing", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.kill();
    bench.systemd.reboot();
    bench.journal.entries.clear();
    agent = bench.start({ token: "token-after-reboot" });
    await bench.clock.advance(2000);
    expect(agent.agent.report().registration).toBeUndefined();
    await bench.registered(agent);
    await bench.clock.advance(1000);
    expect(bench.starts("a.service")).toBe(2);
  });

  test("leaving stops each unit to its end, removes rows as they go, then the machine", async () => {
    await bench.assign("slow.service", slowStop, "launched");
    await bench.assign("quick.service", sleeper, "launched");
    await bench.clock.advance(200);
    let left = false;
    void agent.agent.leave().then(() => {
      left = true;
    });
    await bench.clock.advance(1000);
    expect(bench.row("quick.service")).toBeUndefined();
    expect(bench.row("slow.service")).toBe("deactivating stop");
    expect(left).toBe(false);
    await bench.clock.advance(3000);
    expect(left).toBe(true);
    expect(bench.etcd.range({ from: `/fleet/machines/${machineId}` }).rows).toEqual([]);
    expect(bench.systemd.files()).toEqual([]);
  });

  test("leaving works while the store is away", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    agent.store.cut();
    let left = false;
    void agent.agent.leave().then(() => {
      left = true;
    });
    await bench.clock.advanceUntil(() => left, 30_000, 100);
    expect(bench.systemd.files()).toEqual([]);
  });

  test("publishes what happened while systemd's signals were lost, once reconnected", async () => {
    await bench.assign("a.service", sleeper, "launched");
    await bench.clock.advance(200);
    agent.manager.disconnect();
    bench.systemd.crash("a.service");
    await bench.clock.advance(1000);
    expect(bench.row("a.service")).toBe("active running launched");
    agent.manager.reconnect();
    await bench.clock.advance(3000);
    expect(bench.row("a.service")).toBe("failed failed launched");
  });

  test("killed in the middle of an unload, its successor ends it", async () => {
    await bench.assign("a.service", slowStop, "launched");
    await bench.clock.advance(200);
    await bench.withdraw("a.service");
    await bench.clock.advance(1000);
    agent.kill();
    agent = bench.start();
    await bench.registered(agent);
    await bench.clock.advance(5000);
    expect(bench.history("a.service")).toContain("stopped");
    expect(bench.systemd.files()).toEqual([]);
    expect(bench.row("a.service")).toBeUndefined();
  });
});
