import type { UnitDirectory, UnitManager, UnitStatus } from "@fleet/systemd";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** One machine's systemd with a manager connected to it. */
export interface UnitManagerWorld {
  readonly manager: UnitManager;
  readonly directory: UnitDirectory;
  /** An ExecStop value that takes `seconds` and leaves a trace when it has completed. */
  readonly execStop: (name: string, seconds: number) => string;
  /** Whether the trace of `execStop` is there. */
  readonly stopCompleted: (name: string) => boolean;
  /** How many daemon-reloads the manager has asked for. */
  readonly reloads: () => number;
  /** Breaks the connection to systemd and lets no new one through. */
  readonly cut: () => Promise<void>;
  readonly heal: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const never = new AbortController().signal;
const running = "[Service]\nExecStart=/bin/sleep infinity\n";

/** Resolves when the condition holds; fails after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error("the condition did not come to hold");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What every UnitManager does, told by its effects alone. */
export function unitManagerContract(subject: string, open: () => Promise<UnitManagerWorld>): void {
  describe(`${subject} as a unit manager`, () => {
    let world: UnitManagerWorld;

    beforeEach(async () => {
      world = await open();
    });
    afterEach(async () => {
      await world.close();
    });

    const statusOf = async (name: string): Promise<UnitStatus | undefined> =>
      (await world.manager.status([name])).get(name);
    const untilActive = (name: string, active: string): Promise<void> =>
      until(async () => (await statusOf(name))?.active === active);
    /** What the agent does with a unit that comes to its machine. */
    const load = async (name: string, text: string): Promise<void> => {
      await world.directory.write(name, text);
      await world.manager.prepare([name]);
    };
    const unload = async (name: string): Promise<void> => {
      await world.manager.stop(name, never);
      await world.directory.remove(name);
      await world.manager.forget(name);
    };

    test("loads, starts, stops and forgets a unit", async () => {
      await load("a.service", running);
      expect(await statusOf("a.service")).toEqual({ load: "loaded", active: "inactive", sub: "dead" });
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      expect((await statusOf("a.service"))?.sub).toBe("running");
      await world.manager.stop("a.service", never);
      expect(await statusOf("a.service")).toEqual({ load: "loaded", active: "inactive", sub: "dead" });
      await world.directory.remove("a.service");
      await world.manager.forget("a.service");
      expect(await statusOf("a.service")).toEqual({ load: "not-found", active: "inactive", sub: "dead" });
      expect(world.reloads()).toBe(0);
    });

    test("a fence stops units without anybody's help, and tells what it has stopped", async () => {
      const { manager } = world;
      const inMs = (ms: number): number => performance.now() + ms;
      await load("kept.service", running);
      await load("fenced.service", `${running}ExecStop=${world.execStop("fenced.service", 0.2)}\n`);
      await manager.start("kept.service");
      await manager.start("fenced.service");
      const units = { stop: ["fenced.service", "idle.service"], running: ["fenced.service"], noted: [] };
      expect(await manager.fence("m", { number: 1, atMs: inMs(600), ...units })).toEqual([]);
      // Pushed back: the first would have gone off by the time the second does.
      const atMs = inMs(1_500);
      expect(await manager.fence("m", { number: 2, atMs, ...units })).toEqual([]);
      await untilActive("fenced.service", "active");
      await world.cut();
      await until(() => world.stopCompleted("fenced.service"));
      expect(performance.now()).toBeGreaterThan(atMs);
      await world.heal();
      await until(async () => (await statusOf("fenced.service").catch(() => undefined)) !== undefined);
      await untilActive("fenced.service", "inactive");
      expect((await statusOf("kept.service"))?.active).toBe("active");
      const later = { atMs: inMs(60_000), stop: ["fenced.service"], running: [] };
      // Again until it is noted.
      expect(await manager.fence("m", { number: 3, ...later, noted: [] })).toEqual(["fenced.service"]);
      expect(await manager.fence("m", { number: 4, ...later, noted: [] })).toEqual(["fenced.service"]);
      const noted = ["fenced.service"];
      expect(await manager.fence("m", { number: 5, ...later, noted })).toEqual([]);
      expect(await manager.fence("m", undefined)).toEqual([]);
    });

    test("a start that waits for another unit is told of, and taken back by a stop or a fence", async () => {
      const { manager } = world;
      const isStarting = async (): Promise<boolean> => (await statusOf("waits.service"))?.starting === true;
      await load("slow.service", "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n");
      await load("waits.service", `[Unit]\nAfter=slow.service\n${running}`);
      await manager.start("slow.service");
      await untilActive("slow.service", "activating");
      expect(await isStarting()).toBe(false);
      await manager.start("waits.service");
      expect(await statusOf("waits.service")).toMatchObject({ active: "inactive", starting: true });
      await manager.stop("waits.service", never);
      expect(await isStarting()).toBe(false);
      await manager.start("waits.service");
      const units = { stop: ["waits.service"], running: ["waits.service"], noted: [] };
      await manager.fence("m", { number: 1, atMs: performance.now() + 100, ...units });
      await until(async () => !(await isStarting()));
      const later = { ...units, number: 2, atMs: performance.now() + 60_000 };
      await until(async () => (await manager.fence("m", later)).includes("waits.service"));
      await manager.fence("m", undefined);
      await unload("slow.service");
      expect(await statusOf("waits.service")).toMatchObject({ active: "inactive" });
      await unload("waits.service");
    });

    test("a restart of what has failed that waits for another unit is taken back by a stop", async () => {
      const { manager } = world;
      const isStarting = async (): Promise<boolean> => (await statusOf("fails.service"))?.starting === true;
      await load("slow.service", "[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n");
      await load("fails.service", "[Unit]\nAfter=slow.service\n[Service]\nExecStart=/bin/false\n");
      await manager.start("fails.service");
      await untilActive("fails.service", "failed");
      await manager.start("slow.service");
      await untilActive("slow.service", "activating");
      const failed = await manager.invocation("fails.service");
      const restarted = expect(manager.restart("fails.service", failed, never)).rejects.toThrow();
      await until(isStarting);
      await manager.stop("fails.service", never);
      await restarted;
      expect(await isStarting()).toBe(false);
      await unload("slow.service");
      expect(await manager.invocation("fails.service")).toBe(failed);
      await unload("fails.service");
    });

    test("a fence that was taken away stops nothing", async () => {
      const { manager } = world;
      await load("a.service", running);
      await manager.start("a.service");
      const units = { stop: ["a.service"], running: ["a.service"], noted: [] };
      await manager.fence("m", { number: 1, atMs: performance.now() + 300, ...units });
      expect(await manager.fence("m", undefined)).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect((await statusOf("a.service"))?.active).toBe("active");
      await unload("a.service");
    });

    test("a start of what is not there is refused with systemd's own error", async () => {
      await expect(world.manager.start("nowhere.service")).rejects.toMatchObject({
        code: "systemd_refused",
        message: expect.stringContaining("org.freedesktop.systemd1.NoSuchUnit"),
      });
    });

    test("a file that systemd cannot use is reported, and its start refused", async () => {
      await load("bad.service", "[Service]\nType=simple\n");
      expect((await statusOf("bad.service"))?.load).toBe("bad-setting");
      await expect(world.manager.start("bad.service")).rejects.toMatchObject({ code: "systemd_refused" });
    });

    test("a start is a new one for a unit that systemd would not start any more by itself", async () => {
      const failing =
        "[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=1h\n[Service]\nExecStart=/bin/false\n";
      await load("a.service", failing);
      const invocations = new Set<string>();
      for (let start = 1; start <= 3; start += 1) {
        await world.manager.start("a.service");
        await until(async () => {
          const invocation = await world.manager.invocation("a.service");
          return invocation !== "" && !invocations.has(invocation);
        });
        invocations.add(await world.manager.invocation("a.service"));
        await untilActive("a.service", "failed");
      }
      expect(invocations.size).toBe(3);
    });

    test("a stop is answered when ExecStop has completed", async () => {
      await load("a.service", `${running}ExecStop=${world.execStop("a.service", 0.5)}\n`);
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      const stop = world.manager.stop("a.service", never);
      await untilActive("a.service", "deactivating");
      expect(world.stopCompleted("a.service")).toBe(false);
      await stop;
      expect(world.stopCompleted("a.service")).toBe(true);
    });

    test("two stops of one unit both wait for its end", async () => {
      await load("a.service", `${running}ExecStop=${world.execStop("a.service", 0.3)}\n`);
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      await Promise.all([world.manager.stop("a.service", never), world.manager.stop("a.service", never)]);
      expect(world.stopCompleted("a.service")).toBe(true);
    });

    test("a stop of what is inactive or unknown is done at once", async () => {
      await load("a.service", running);
      await world.manager.stop("a.service", never);
      await world.manager.stop("nowhere.service", never);
    });

    test("disabling and forgetting can be repeated, and done to what never was", async () => {
      await load("a.service", `${running}[Install]\nWantedBy=default.target\n`);
      await world.manager.enable("a.service");
      await world.manager.disable("a.service");
      await world.manager.disable("a.service");
      for (let time = 1; time <= 2; time += 1) await unload("a.service");
      await unload("nowhere.service");
    });

    test.each([
      ["a unit type that systemd has given up", "old.snapshot"],
      ["a hidden file", ".hidden.service"],
    ])("%s can be unloaded again", async (_, name) => {
      await load(name, running);
      await world.manager.start(name).catch(() => {});
      await unload(name);
      expect((await statusOf(name))?.load).toBe("not-found");
    });

    test("giving up the wait for a stop leaves the stop going on", async () => {
      await load("a.service", `${running}ExecStop=${world.execStop("a.service", 0.3)}\n`);
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      const patience = new AbortController();
      const refusal = expect(world.manager.stop("a.service", patience.signal)).rejects.toMatchObject({
        code: "aborted",
      });
      await untilActive("a.service", "deactivating");
      patience.abort();
      await refusal;
      await untilActive("a.service", "inactive");
      expect(world.stopCompleted("a.service")).toBe(true);
    });

    test("a start during a stop overtakes it", async () => {
      await load("a.service", `${running}ExecStop=${world.execStop("a.service", 0.5)}\n`);
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      const refusal = expect(world.manager.stop("a.service", never)).rejects.toMatchObject({
        code: "systemd_refused",
      });
      await untilActive("a.service", "deactivating");
      await world.manager.start("a.service");
      await refusal;
      await untilActive("a.service", "active");
      expect(world.stopCompleted("a.service")).toBe(true);
    });

    describe("a restart", () => {
      const stopsIn = (seconds: number): string =>
        `${running}ExecStop=${world.execStop("a.service", seconds)}\n`;
      const invocation = (): Promise<string> => world.manager.invocation("a.service");

      test("is answered when the old invocation has ended and the new one begun", async () => {
        await load("a.service", stopsIn(0.3));
        expect(await invocation()).toBe("");
        await world.manager.start("a.service");
        await untilActive("a.service", "active");
        const before = await invocation();
        expect(before).not.toBe("");
        await world.manager.restart("a.service", before, never);
        expect(world.stopCompleted("a.service")).toBe(true);
        const after = await invocation();
        expect([before, ""]).not.toContain(after);
        await untilActive("a.service", "active");
        expect(await invocation()).toBe(after);
      });

      test("is not repeated when another invocation is there already", async () => {
        await load("a.service", running);
        await world.manager.start("a.service");
        await untilActive("a.service", "active");
        const before = await invocation();
        await world.manager.restart("a.service", before, never);
        const after = await invocation();
        await world.manager.restart("a.service", before, never);
        expect(await invocation()).toBe(after);
      });

      test("asked for again while it is under way is one", async () => {
        await load("a.service", stopsIn(0.4));
        await world.manager.start("a.service");
        await untilActive("a.service", "active");
        const before = await invocation();
        const seen = new Set<string>();
        const first = new AbortController();
        const given = expect(world.manager.restart("a.service", before, first.signal)).rejects.toMatchObject({
          code: "aborted",
        });
        await untilActive("a.service", "deactivating");
        first.abort();
        await given;
        const again = world.manager.restart("a.service", before, never);
        await Promise.all([again, world.manager.restart("a.service", before, never)]);
        for (let look = 0; look < 30; look += 1) {
          seen.add(await invocation());
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        expect(seen.size).toBe(1);
        expect(seen).not.toContain(before);
      });

      test("starts what does not run, or has failed", async () => {
        await load("a.service", running);
        await world.manager.restart("a.service", "", never);
        await untilActive("a.service", "active");
        await load("fails.service", "[Service]\nExecStart=/bin/false\n");
        await world.manager.start("fails.service");
        await untilActive("fails.service", "failed");
        const failed = await world.manager.invocation("fails.service");
        await world.manager.restart("fails.service", failed, never);
        expect(await world.manager.invocation("fails.service")).not.toBe(failed);
        await untilActive("fails.service", "failed");
      });

      test("of a oneshot that finishes at once is answered", async () => {
        await load("once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
        await world.manager.restart("once.service", "", never);
        await untilActive("once.service", "inactive");
      });

      test("does not wait for a long start, neither an old one's nor its own, and can be stopped", async () => {
        await load("slow.service", `[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n`);
        await world.manager.start("slow.service");
        await untilActive("slow.service", "activating");
        const before = await world.manager.invocation("slow.service");
        await world.manager.restart("slow.service", before, never);
        expect(await world.manager.invocation("slow.service")).not.toBe(before);
        await untilActive("slow.service", "activating");
        await world.manager.stop("slow.service", never);
        expect((await statusOf("slow.service"))?.active).toMatch(/^(inactive|failed)$/);
      });

      test("is overtaken by a stop", async () => {
        await load("a.service", stopsIn(0.5));
        await world.manager.start("a.service");
        await untilActive("a.service", "active");
        const refusal = expect(
          world.manager.restart("a.service", await invocation(), never),
        ).rejects.toMatchObject({ code: "systemd_refused" });
        await untilActive("a.service", "deactivating");
        await world.manager.stop("a.service", never);
        await refusal;
        expect((await statusOf("a.service"))?.active).toBe("inactive");
      });

      test("of what is not there, or cannot be used, is refused with systemd's own error", async () => {
        await expect(world.manager.restart("nowhere.service", "", never)).rejects.toMatchObject({
          code: "systemd_refused",
        });
        await load("bad.service", "[Service]\nType=simple\n");
        await expect(world.manager.restart("bad.service", "", never)).rejects.toMatchObject({
          code: "systemd_refused",
        });
      });

      test("rejects when the connection goes", async () => {
        await load("a.service", stopsIn(0.5));
        await world.manager.start("a.service");
        await untilActive("a.service", "active");
        const before = await invocation();
        const loss = expect(world.manager.restart("a.service", before, never)).rejects.toMatchObject({
          code: "systemd_unavailable",
          retryable: true,
        });
        await untilActive("a.service", "deactivating");
        await world.cut();
        await loss;
        await world.heal();
      });
    });

    test("a start that takes a minute is answered at once and blocks nothing", async () => {
      await load("slow.service", `[Service]\nExecStartPre=/bin/sleep 60\nExecStart=/bin/sleep infinity\n`);
      await load("quick.service", running);
      await world.manager.start("slow.service");
      await world.manager.start("quick.service");
      await untilActive("quick.service", "active");
      await untilActive("slow.service", "activating");
      expect((await statusOf("slow.service"))?.sub).toBe("start-pre");
      await world.manager.stop("quick.service", never);
      // And can be stopped in the middle.
      await world.manager.stop("slow.service", never);
      expect((await statusOf("slow.service"))?.active).toMatch(/^(inactive|failed)$/);
    });

    test("a oneshot is inactive once it has finished, or active with RemainAfterExit", async () => {
      const oneshot = "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.2\n";
      await load("once.service", oneshot);
      await load("stays.service", `${oneshot}RemainAfterExit=yes\n`);
      await load("works.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 60\n");
      await Promise.all(
        ["once.service", "stays.service", "works.service"].map((name) => world.manager.start(name)),
      );
      // A start is answered when its job is queued: systemd may take it up a moment later.
      await untilActive("works.service", "activating");
      expect((await statusOf("works.service"))?.sub).toBe("start");
      await untilActive("once.service", "inactive");
      await untilActive("stays.service", "active");
      expect((await statusOf("stays.service"))?.sub).toBe("exited");
    });

    test("a failed unit stays listed until it is forgotten", async () => {
      await load("fails.service", "[Service]\nExecStart=/bin/false\n");
      await world.manager.start("fails.service");
      await untilActive("fails.service", "failed");
      await world.manager.stop("fails.service", never);
      await world.directory.remove("fails.service");
      expect((await statusOf("fails.service"))?.active).toBe("failed");
      await world.manager.forget("fails.service");
      expect(await statusOf("fails.service")).toEqual({ load: "not-found", active: "inactive", sub: "dead" });
    });

    test("new content of a running unit holds after prepare, with one reload for the batch", async () => {
      const names = ["a.service", "b.service", "c.service"];
      for (const name of names) await world.directory.write(name, running);
      await world.manager.prepare(names);
      for (const name of names) await world.manager.start(name);
      for (const name of names) await untilActive(name, "active");
      for (const name of names) {
        await world.directory.write(name, `${running}ExecStop=${world.execStop(name, 0.3)}\n`);
      }
      await world.manager.prepare([...names]);
      expect(world.reloads()).toBe(1);
      const began = performance.now();
      await Promise.all(names.map((name) => world.manager.stop(name, never)));
      expect(performance.now() - began).toBeGreaterThan(250);
      expect(names.map(world.stopCompleted)).toEqual([true, true, true]);
    });

    test("new content of a stopped unit needs no reload", async () => {
      await load("a.service", running);
      await world.manager.start("a.service");
      await world.manager.stop("a.service", never);
      await load("a.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n");
      await world.manager.start("a.service");
      await until(async () => (await statusOf("a.service"))?.sub === "exited");
      expect(world.reloads()).toBe(0);
    });

    test("new content of a running unit whose name has an escape in it is seen as well", async () => {
      const name = "foo\\x2dbar.service";
      await load(name, running);
      await world.manager.start(name);
      await untilActive(name, "active");
      await load(name, `${running}ExecStop=${world.execStop(name, 0)}\n`);
      expect(world.reloads()).toBe(1);
    });

    test("a name asked for before its file existed is loaded once it does", async () => {
      expect((await statusOf("late.service"))?.load).toBe("not-found");
      await load("late.service", running);
      expect(await statusOf("late.service")).toEqual({ load: "loaded", active: "inactive", sub: "dead" });
    });

    test("a name asked for before its file existed starts once it does", async () => {
      expect((await statusOf("late.service"))?.load).toBe("not-found");
      await load("late.service", running);
      await world.manager.start("late.service");
      await untilActive("late.service", "active");
    });

    test("enables and disables what [Install] says; a bad [Install] is refused", async () => {
      await load("a.service", `${running}[Install]\nWantedBy=default.target\n`);
      await world.manager.enable("a.service");
      await world.manager.enable("a.service");
      await world.manager.disable("a.service");
      await world.manager.disable("a.service");
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      await load("b.service", `${running}[Install]\nAlias=b.socket\n`);
      await expect(world.manager.enable("b.service")).rejects.toMatchObject({ code: "systemd_refused" });
    });

    test.each([
      ["an instance with a file of its own", "a@1.service"],
      ["an escaped dash", "foo\\x2dbar.service"],
      ["every allowed punctuation", "a:b@c.d_e-f.service"],
    ])("tells changes of %s: %s", async (_, name) => {
      const changed: string[] = [];
      const unsubscribe = world.manager.subscribe({
        onChange: (unit) => changed.push(unit),
        onReset: () => {},
      });
      await load(name, running);
      await world.manager.start(name);
      await until(() => changed.includes(name));
      await untilActive(name, "active");
      changed.length = 0;
      await world.manager.stop(name, never);
      await until(() => changed.includes(name));
      unsubscribe();
      changed.length = 0;
      await world.manager.start(name);
      await untilActive(name, "active");
      expect(changed).toEqual([]);
    });

    test("asking for the status of what a change was told of comes to an end", async () => {
      // systemd loads and drops the inactive one for each question, which changes properties of the other one.
      await load("main.service", running);
      await load("side.service", `[Unit]\nBindsTo=main.service\nAfter=main.service\n${running}`);
      await world.manager.start("main.service");
      await untilActive("main.service", "active");
      let questions = 0;
      const ask = (names: readonly string[]): void => {
        questions += 1;
        void world.manager.status(names);
      };
      const ours = ["main.service", "side.service"];
      const unsubscribe = world.manager.subscribe({
        onChange: (name) => {
          if (ours.includes(name)) ask(ours);
        },
        onReset: () => {},
      });
      ask(ours);
      await load("other.service", running);
      await world.manager.start("other.service");
      await untilActive("other.service", "active");
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(questions).toBeLessThan(10);
      unsubscribe();
    });

    test("a unit that ends by itself is told", async () => {
      await load("a.service", "[Service]\nExecStart=/bin/sleep 0.5\n");
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      let ended = false;
      const unsubscribe = world.manager.subscribe({
        onChange: () => {
          ended = true;
        },
        onReset: () => {},
      });
      await until(() => ended);
      await untilActive("a.service", "inactive");
      unsubscribe();
    });

    test("fifty units at once", async () => {
      const names = Array.from({ length: 50 }, (_, index) => `many@${index}.service`);
      await Promise.all(names.map((name) => world.directory.write(name, running)));
      await world.manager.prepare(names);
      await Promise.all(names.map((name) => world.manager.start(name)));
      await until(async () =>
        [...(await world.manager.status(names)).values()].every(({ active }) => active === "active"),
      );
      await Promise.all(names.map((name) => unload(name)));
      const loads = [...(await world.manager.status(names)).values()].map((status) => status.load);
      expect(new Set(loads)).toEqual(new Set(["not-found"]));
      expect(world.reloads()).toBe(0);
    });

    test("timers and sockets", async () => {
      await world.directory.write("job.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
      await world.directory.write("job.timer", "[Timer]\nOnActiveSec=1h\n");
      await world.directory.write("talk.service", running);
      await world.directory.write("talk.socket", "[Socket]\nListenStream=%t/talk.socket\n");
      await world.manager.prepare(["job.service", "job.timer", "talk.service", "talk.socket"]);
      await world.manager.start("job.timer");
      await world.manager.start("talk.socket");
      await untilActive("job.timer", "active");
      await untilActive("talk.socket", "active");
      expect((await statusOf("job.timer"))?.sub).toBe("waiting");
      expect((await statusOf("talk.socket"))?.sub).toBe("listening");
      await unload("job.timer");
      await unload("talk.socket");
      expect((await statusOf("job.timer"))?.load).toBe("not-found");
      expect((await statusOf("talk.socket"))?.load).toBe("not-found");
    });

    test("a broken connection rejects what is pending; the next one starts with a reset", async () => {
      await load("a.service", `${running}ExecStop=${world.execStop("a.service", 0.5)}\n`);
      await world.manager.start("a.service");
      await untilActive("a.service", "active");
      let resets = 0;
      const unsubscribe = world.manager.subscribe({
        onChange: () => {},
        onReset: () => {
          resets += 1;
        },
      });
      const refusal = expect(world.manager.stop("a.service", never)).rejects.toMatchObject({
        code: "systemd_unavailable",
        retryable: true,
      });
      await untilActive("a.service", "deactivating");
      await world.cut();
      await refusal;
      await expect(world.manager.status(["a.service"])).rejects.toMatchObject({
        code: "systemd_unavailable",
        retryable: true,
      });
      await world.manager.prepare([]);
      expect(resets).toBe(0);
      await world.heal();
      await until(() => resets === 1);
      await world.manager.stop("a.service", never);
      expect(world.stopCompleted("a.service")).toBe(true);
      unsubscribe();
    });
  });
}
