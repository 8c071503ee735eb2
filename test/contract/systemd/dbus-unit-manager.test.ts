import { existsSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LabDirectory, type LightMachine, startLightMachine } from "@fleet/lab";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { DbusUnitManager, DiskUnitDirectory } from "@fleet/systemd";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CuttableSocket } from "./cuttable-socket.ts";
import { type DbusWorld, openDbusWorld } from "./dbus-world.ts";
import { unitManagerContract, until } from "./unit-manager-contract.ts";

const never = new AbortController().signal;
const running = "[Service]\nExecStart=/bin/sleep infinity\n";

let lab: LabDirectory;
let machine: LightMachine;

beforeAll(async () => {
  lab = LabDirectory.create();
  machine = await startLightMachine({ directory: lab, name: "m" });
  // systemd joins only a bus that it knows as its own dbus.socket.
  await machine.systemctl("start", "dbus.socket");
});
afterAll(async () => {
  await lab.remove();
});

/** A manager connected to the machine, which has no units of an earlier test. */
function open(options: { unitsDirectory?: string; callTimeoutMs?: number } = {}): Promise<DbusWorld> {
  return openDbusWorld(machine, { unitsDirectory: machine.unitsDirectory, ...options });
}

unitManagerContract("DbusUnitManager", () => open());
unitManagerContract("DbusUnitManager with its units outside the search path", () =>
  open({ unitsDirectory: join(machine.path, "units") }),
);

describe("DbusUnitManager with a real systemd", () => {
  test("a unit directory outside the search path: links, also over a disable, and none left behind", async () => {
    const unitsDirectory = join(machine.path, "units");
    const world = await open({ unitsDirectory });
    const { manager, directory } = world;
    const link = join(machine.unitsDirectory, "a.service");
    try {
      await directory.write("a.service", `${running}[Install]\nWantedBy=default.target\n`);
      await manager.prepare(["a.service"]);
      await manager.prepare(["a.service"]);
      expect(readlinkSync(link)).toBe(join(unitsDirectory, "a.service"));
      await manager.enable("a.service");
      await manager.start("a.service");
      await manager.disable("a.service");
      expect((await manager.status(["a.service"])).get("a.service")?.load).toBe("loaded");
      expect(existsSync(link)).toBe(true);
      await manager.stop("a.service", never);
      await directory.remove("a.service");
      await manager.forget("a.service");
      expect((await manager.status(["a.service"])).get("a.service")?.load).toBe("not-found");
      expect(() => readlinkSync(link)).toThrow("ENOENT");
      expect(world.reloads()).toBe(0);
    } finally {
      await world.close();
    }
  });

  test("a name that somebody else's file has is refused, and keeps no other unit from its link", async () => {
    const admin = new DiskUnitDirectory(machine.unitsDirectory);
    await admin.write("theirs.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    const world = await open({ unitsDirectory: join(machine.path, "units") });
    const { manager, directory } = world;
    try {
      await directory.write("theirs.service", running);
      await directory.write("ours.service", running);
      await manager.prepare(["theirs.service", "ours.service"]);
      await expect(manager.start("theirs.service")).rejects.toMatchObject({ code: "systemd_refused" });
      await manager.start("ours.service");
      await manager.forget("theirs.service");
      expect(await admin.read("theirs.service")).toContain("/bin/true");
    } finally {
      await world.close();
      await admin.remove("theirs.service");
    }
  });

  test("a sidekick enabled for its main unit is started with it", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      await directory.write("main@1.service", running);
      await directory.write(
        "side@1.service",
        `[Unit]\nBindsTo=main@%i.service\n${running}[Install]\nWantedBy=main@%i.service\n`,
      );
      await manager.prepare(["main@1.service", "side@1.service"]);
      await manager.enable("side@1.service");
      await manager.start("main@1.service");
      await until(
        async () => (await manager.status(["side@1.service"])).get("side@1.service")?.active === "active",
      );
      expect(world.reloads()).toBe(0);
    } finally {
      await world.close();
    }
  });

  test("a start that waits for another unit's start blocks neither stop nor status", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      await directory.write(
        "first.service",
        "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep 60\n",
      );
      await directory.write("then.service", `[Unit]\nAfter=first.service\n${running}`);
      await manager.prepare(["first.service", "then.service"]);
      await manager.start("first.service");
      await manager.start("then.service");
      expect((await manager.status(["then.service"])).get("then.service")?.active).toBe("inactive");
      await manager.stop("then.service", never);
      await manager.stop("first.service", never);
    } finally {
      await world.close();
    }
  });

  test("a unit that refuses to be stopped by hand is done with once it has ended by itself", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      await directory.write(
        "once.service",
        "[Unit]\nRefuseManualStop=yes\n[Service]\nType=oneshot\nExecStart=/bin/sleep 0.5\n",
      );
      await manager.prepare(["once.service"]);
      await manager.start("once.service");
      await until(
        async () => (await manager.status(["once.service"])).get("once.service")?.active === "inactive",
      );
      await manager.stop("once.service", never);
    } finally {
      await world.close();
    }
  });

  test("a unit that refuses to be stopped by hand is stopped to the end of its ExecStop", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      const stop = `ExecStop=${world.execStop("stubborn@1.service", 0.5)}\n`;
      await directory.write("stubborn@1.service", `[Unit]\nRefuseManualStop=yes\n${running}${stop}`);
      await manager.prepare(["stubborn@1.service"]);
      for (let time = 0; time < 2; time += 1) {
        await manager.start("stubborn@1.service");
        const state = async () =>
          (await manager.status(["stubborn@1.service"])).get("stubborn@1.service")?.active;
        await until(async () => (await state()) === "active");
        await manager.stop("stubborn@1.service", never);
        expect(await state()).toBe("inactive");
        expect(world.stopCompleted("stubborn@1.service")).toBe(true);
      }
      expect(world.reloads()).toBe(0);
      // What stopped it leaves nothing behind.
      const left = async () =>
        (await machine.systemctl("list-units", "--all", "--plain", "--no-legend", "fleet-stop-*")).stdout;
      await until(async () => (await left()).trim() === "");
    } finally {
      await world.close();
    }
  });

  test("a stop that somebody cancels is asked for again", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      // It stops for as long as the test needs to look, however busy the host is.
      const gate = join(machine.path, "stop-may-end");
      const waits = `ExecStop=/bin/sh -c 'until test -e ${gate}; do sleep 0.1; done'\n`;
      const notes = `ExecStop=${world.execStop("a.service", 0)}\n`;
      await directory.write("a.service", `${running}${waits}${notes}`);
      await manager.prepare(["a.service"]);
      await manager.start("a.service");
      const state = async () => (await manager.status(["a.service"])).get("a.service")?.active;
      // A start is answered when its job is queued: a stop that comes before systemd takes it up replaces it.
      await until(async () => (await state()) === "active");
      const stop = manager.stop("a.service", never);
      await until(async () => (await state()) === "deactivating");
      await machine.systemctl("cancel");
      writeFileSync(gate, "");
      await stop;
      expect(await state()).toBe("inactive");
      expect(world.stopCompleted("a.service")).toBe(true);
    } finally {
      await world.close();
    }
  });

  test("somebody's daemon-reload asks listeners to look at everything", async () => {
    const world = await open();
    try {
      const causes: string[] = [];
      world.manager.subscribe({ onChange: () => {}, onReset: (cause) => causes.push(cause) });
      await machine.systemctl("daemon-reload");
      await until(() => causes.length > 0);
      expect(causes).toEqual(["reloaded"]);
    } finally {
      await world.close();
    }
  });

  test("a unit that somebody else has started and that failed since it was loaded is started all the same", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      const limited = "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n";
      await directory.write("a.service", `${limited}[Service]\nExecStart=/bin/false\n`);
      await manager.prepare(["a.service"]);
      const active = async () => (await manager.status(["a.service"])).get("a.service")?.active;
      await machine.systemctl("start", "a.service");
      await until(async () => (await active()) === "failed");
      const failed = await manager.invocation("a.service");
      await manager.start("a.service");
      await until(
        async () => (await active()) === "failed" && (await manager.invocation("a.service")) !== failed,
      );
    } finally {
      await world.close();
    }
  });

  test("systemd executing itself anew: works again, units untouched", async () => {
    const world = await open();
    const { manager, directory } = world;
    try {
      await directory.write("a.service", running);
      await manager.prepare(["a.service"]);
      await manager.start("a.service");
      let resets = 0;
      const changed: string[] = [];
      manager.subscribe({ onChange: (name) => changed.push(name), onReset: () => (resets += 1) });
      await machine.systemctl("daemon-reexec");
      await until(() => resets > 0);
      await until(async () => {
        try {
          return (await manager.status(["a.service"])).get("a.service")?.active === "active";
        } catch {
          return false;
        }
      });
      changed.length = 0;
      await manager.stop("a.service", never);
      await until(() => changed.includes("a.service"));
    } finally {
      await world.close();
    }
  });

  test("a bus that stalls: calls end by their deadline, retryable", async () => {
    const world = await open({ callTimeoutMs: 300 });
    try {
      world.bus.stall();
      const calls = Array.from({ length: 100 }, () => world.manager.status(["a.service"]));
      const results = await Promise.allSettled(calls);
      for (const result of results) {
        expect(result).toMatchObject({
          status: "rejected",
          reason: { code: "systemd_timeout", retryable: true },
        });
      }
    } finally {
      await world.close();
    }
  });

  test("no bus: says so once, and connects when it comes", async () => {
    const bus = new CuttableSocket(join(machine.path, "late-bus"), machine.busSocket);
    const events: string[] = [];
    const record = (event: string): void => {
      events.push(event);
    };
    const manager = new DbusUnitManager({
      address: `unix:path=${bus.path}`,
      directory: machine.unitsDirectory,
      clock: systemClock,
      random: systemRandom,
      logger: { ...silentLogger, info: record, warn: record, error: record },
    });
    const stopped = new AbortController();
    const run = manager.run(stopped.signal);
    await expect(manager.status(["a.service"])).rejects.toMatchObject({ code: "systemd_unavailable" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await bus.listen();
    await until(() => events.includes("systemd_connected"));
    expect(events).toEqual(["systemd_unreachable", "systemd_connected"]);
    stopped.abort();
    await run;
    await bus.cut();
  });
});
