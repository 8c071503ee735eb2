import { systemClock } from "@fleet/runtime";
import { FakeSystemd, FakeUnitDirectory, FakeUnitManager } from "@fleet/systemd";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const never = new AbortController().signal;
const service = "[Service]\nExecStart=/bin/sleep infinity\n";
const slowStop = `${service}ExecStop=/bin/sleep 3\n`;

function machine() {
  const systemd = new FakeSystemd(systemClock);
  const directory = new FakeUnitDirectory(systemd);
  const connect = () => {
    const manager = new FakeUnitManager(systemd);
    const stopped = new AbortController();
    const changed: string[] = [];
    let resets = 0;
    manager.subscribe({ onChange: (name) => changed.push(name), onReset: () => (resets += 1) });
    const run = manager.run(stopped.signal);
    const kill = () => {
      stopped.abort();
      return run;
    };
    return { manager, changed, resets: () => resets, kill };
  };
  const kinds = () => systemd.history.map(({ kind, unit }) => (unit === "" ? kind : `${kind} ${unit}`));
  return { systemd, directory, connect, kinds };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("FakeUnitManager", () => {
  test("records that ExecStop completed before the stop is answered", async () => {
    const { directory, connect, kinds, systemd } = machine();
    const { manager } = connect();
    await directory.write("a.service", slowStop);
    await manager.start("a.service");
    let stopped = false;
    const stop = manager.stop("a.service", never).then(() => {
      stopped = true;
    });
    await vi.advanceTimersByTimeAsync(2999);
    expect(stopped).toBe(false);
    expect((await manager.status(["a.service"])).get("a.service")?.active).toBe("deactivating");
    await vi.advanceTimersByTimeAsync(1);
    await stop;
    expect(kinds().slice(-2)).toEqual(["stop-queued a.service", "stopped a.service"]);
    expect(systemd.running()).toEqual([]);
  });

  test("units and their stop outlive the fleetd that asked for it", async () => {
    const { directory, connect, systemd } = machine();
    const first = connect();
    await directory.write("a.service", slowStop);
    await directory.write("b.service", service);
    await first.manager.start("a.service");
    await first.manager.start("b.service");
    const stop = first.manager.stop("a.service", never);
    const refusal = expect(stop).rejects.toMatchObject({ code: "systemd_unavailable" });
    await first.kill();
    await refusal;
    const second = connect();
    expect(second.resets()).toBe(1);
    await vi.advanceTimersByTimeAsync(3000);
    expect(systemd.running()).toEqual(["b.service"]);
    expect(second.changed).toContain("a.service");
  });

  test("a start asked for during a stop follows it", async () => {
    const { directory, connect, systemd, kinds } = machine();
    const { manager } = connect();
    await directory.write("a.service", slowStop);
    await manager.start("a.service");
    const refusal = expect(manager.stop("a.service", never)).rejects.toMatchObject({
      code: "systemd_refused",
    });
    await Promise.resolve();
    await manager.start("a.service");
    await refusal;
    await vi.advanceTimersByTimeAsync(3000);
    expect(systemd.running()).toEqual(["a.service"]);
    expect(kinds().slice(-2)).toEqual(["stopped a.service", "started a.service"]);
  });

  test("a reboot takes units, files and enablement, and runs no ExecStop", async () => {
    const { directory, connect, systemd, kinds } = machine();
    const { manager } = connect();
    await directory.write("a.service", `${slowStop}[Install]\nWantedBy=default.target\n`);
    await manager.enable("a.service");
    await manager.start("a.service");
    systemd.reboot();
    expect([systemd.running(), systemd.enabled(), systemd.files()]).toEqual([[], [], []]);
    expect(kinds().slice(-2)).toEqual(["lost a.service", "rebooted"]);
    expect((await manager.status(["a.service"])).get("a.service")?.load).toBe("not-found");
  });

  test("scripted behaviour overrides the unit file", async () => {
    const { directory, connect, systemd } = machine();
    const { manager } = connect();
    await directory.write("a.service", service);
    systemd.behave("a.service", { runMs: 500, fails: true, refusesEnable: true });
    await expect(manager.enable("a.service")).rejects.toMatchObject({ code: "systemd_refused" });
    await manager.start("a.service");
    await vi.advanceTimersByTimeAsync(500);
    expect((await manager.status(["a.service"])).get("a.service")).toEqual({
      load: "loaded",
      active: "failed",
      sub: "failed",
    });
  });

  test("a lost reply is carried out, a lost signal is not told, a lost connection refuses calls", async () => {
    const { directory, connect, systemd } = machine();
    const { manager, changed, resets } = connect();
    await directory.write("a.service", service);
    manager.loseSignals(true);
    manager.loseReplies(true);
    await expect(manager.start("a.service")).rejects.toMatchObject({ code: "systemd_timeout" });
    expect(systemd.running()).toEqual(["a.service"]);
    expect(changed).toEqual([]);
    manager.disconnect();
    await expect(manager.status([])).rejects.toMatchObject({ code: "systemd_unavailable", retryable: true });
    manager.reconnect();
    expect(resets()).toBe(2);
  });

  test("a crash fails a running unit", async () => {
    const { directory, connect, systemd } = machine();
    const { manager } = connect();
    await directory.write("a.service", service);
    await manager.start("a.service");
    systemd.crash("a.service");
    expect((await manager.status(["a.service"])).get("a.service")?.active).toBe("failed");
    expect(systemd.running()).toEqual([]);
  });
});
