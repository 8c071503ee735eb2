import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import { LineLogger } from "@fleet/runtime";
import { describe, expect, test } from "vitest";
import { type Config, loadConfig } from "../../../packages/fleetd/src/config.ts";
import { type Components, Lifecycle } from "../../../packages/fleetd/src/lifecycle.ts";
import { handleSignals } from "../../../packages/fleetd/src/signals.ts";

interface Wishes {
  readonly config?: Config;
  readonly reload?: () => Promise<Config>;
  readonly start?: (config: Config) => Promise<void>;
  readonly stop?: () => Promise<void>;
  readonly leave?: () => Promise<void>;
}

/** A lifecycle over components that only write down what happens to them. */
async function daemon(wishes: Wishes = {}) {
  const config = wishes.config ?? (await loadConfig({ path: "/dev/null", environment: {} })).config;
  const happened: string[] = [];
  const startComponents = async (used: Config): Promise<Components> => {
    await wishes.start?.(used);
    const name = `v${used.verbosity}`;
    happened.push(`start ${name}`);
    return {
      responder: createServer(),
      stop: async () => {
        happened.push(`stop ${name}`);
        await wishes.stop?.();
      },
      leave: async () => {
        happened.push(`leave ${name}`);
        await wishes.leave?.();
      },
      dump: async () => ({ name }),
    };
  };
  const lifecycle = new Lifecycle({
    config,
    reloadConfig: async () => ({
      config: (await wishes.reload?.()) ?? { ...config, verbosity: 1 },
      warnings: [],
    }),
    startComponents,
    listeners: {
      respondWith: (responder) => {
        happened.push(responder === undefined ? "hold" : "answer");
      },
      close: async () => {
        happened.push("close");
      },
    },
    serviceManager: {
      ready: async () => {
        happened.push("READY");
      },
      reloading: async () => {
        happened.push("RELOADING");
      },
      stopping: async () => {
        happened.push("STOPPING");
      },
    },
    logger: new LineLogger({
      write: (line) => happened.push(line.trim()),
      now: () => 0,
      level: () => "warn",
      journal: true,
    }),
    print: (text) => happened.push(text),
    abandon: () => happened.push("exit"),
  });
  return { lifecycle, config, happened };
}

describe("Lifecycle", () => {
  test("is ready once the components stand behind the listeners", async () => {
    const { lifecycle, happened } = await daemon();
    await lifecycle.start();
    expect(happened).toEqual(["start v0", "answer", "READY"]);
  });

  test("a reload replaces the components and never closes a listener", async () => {
    const { lifecycle, happened } = await daemon();
    await lifecycle.start();
    happened.length = 0;
    lifecycle.reload();
    await lifecycle.stop();
    expect(happened).toEqual([
      "RELOADING",
      "hold",
      "stop v0",
      "start v1",
      "answer",
      "READY",
      "STOPPING",
      "leave v1",
      "hold",
      "close",
    ]);
  });

  test("a bad new configuration leaves everything as it is, and is said", async () => {
    const { lifecycle, happened } = await daemon({
      reload: () => Promise.reject(new Error("agent_ttl: bad")),
    });
    await lifecycle.start();
    happened.length = 0;
    lifecycle.reload();
    lifecycle.dump();
    await lifecycle.stop();
    expect(happened.slice(0, 4)).toEqual([
      "RELOADING",
      "READY",
      '<3>reload_failed code=unknown message="agent_ttl: bad"',
      '{\n  "name": "v0"\n}\n',
    ]);
  });

  test("components that do not start with the new configuration run again with the old one", async () => {
    const { lifecycle, happened, config } = await daemon({
      start: async (used) => {
        if (used.verbosity === 1) throw new Error("no");
      },
    });
    await lifecycle.start();
    happened.length = 0;
    lifecycle.reload();
    await lifecycle.stop();
    expect(happened.slice(0, 6)).toEqual(["RELOADING", "hold", "stop v0", "start v0", "answer", "READY"]);
    expect(lifecycle.config).toEqual(config);
  });

  test("components that do not end in order are replaced all the same", async () => {
    const { lifecycle, happened } = await daemon({ stop: () => Promise.reject(new Error("stuck")) });
    await lifecycle.start();
    happened.length = 0;
    lifecycle.reload();
    await lifecycle.stop();
    expect(happened.slice(0, 5)).toEqual(["RELOADING", "hold", "stop v0", "start v0", "answer"]);
  });

  test("the program ends when not even the old configuration can be put in force again", async () => {
    let starts = 0;
    const { lifecycle, happened } = await daemon({
      start: async () => {
        starts += 1;
        if (starts > 1) throw new Error("no");
      },
    });
    await lifecycle.start();
    lifecycle.reload();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(happened).toContain("exit");
  });

  test("what only a restart can change stays, and is said", async () => {
    const { config: base } = await daemon();
    const { lifecycle, happened } = await daemon({
      reload: async () => ({ ...base, verbosity: 1, unitsDirectory: "/run/elsewhere" }),
    });
    await lifecycle.start();
    lifecycle.reload();
    await lifecycle.stop();
    expect(happened).toContain("<4>config_needs_restart option=units_directory");
    expect(lifecycle.config).toEqual({ ...base, verbosity: 1 });
  });

  test("reloads asked for at once are one", async () => {
    const { lifecycle, happened } = await daemon();
    await lifecycle.start();
    lifecycle.reload();
    lifecycle.reload();
    lifecycle.reload();
    await lifecycle.stop();
    expect(happened.filter((what) => what === "RELOADING")).toHaveLength(1);
  });

  test("nothing begins once it is stopping", async () => {
    const { lifecycle, happened } = await daemon();
    await lifecycle.start();
    const stopped = lifecycle.stop();
    lifecycle.reload();
    lifecycle.dump();
    expect(await stopped).toBe(0);
    expect(happened.slice(3)).toEqual(["STOPPING", "leave v0", "hold", "close"]);
  });

  test("answers until the units are gone", async () => {
    let left = (): void => {};
    const { lifecycle, happened } = await daemon({
      leave: () =>
        new Promise((resolve) => {
          left = resolve;
        }),
    });
    await lifecycle.start();
    const stopped = lifecycle.stop();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(happened.at(-1)).toBe("leave v0");
    left();
    await stopped;
    expect(happened.at(-1)).toBe("close");
  });

  test("told to keep its units it ends without leaving, and without an answer meanwhile", async () => {
    const { config } = await loadConfig({
      path: "/dev/null",
      environment: { FLEET_SHUTDOWN_POLICY: "keep" },
    });
    const { lifecycle, happened } = await daemon({ config });
    await lifecycle.start();
    expect(await lifecycle.stop()).toBe(0);
    expect(happened.slice(3)).toEqual(["STOPPING", "hold", "stop v0", "close"]);
  });

  test("the policy in force is that of the last reload", async () => {
    const { config } = await loadConfig({
      path: "/dev/null",
      environment: { FLEET_SHUTDOWN_POLICY: "keep" },
    });
    const { lifecycle, happened } = await daemon({ reload: async () => config });
    await lifecycle.start();
    lifecycle.reload();
    expect(await lifecycle.stop()).toBe(0);
    expect(happened.slice(-4)).toEqual(["STOPPING", "hold", "stop v0", "close"]);
  });

  test("a failed leave is told by the exit code", async () => {
    const { lifecycle, happened } = await daemon({ leave: () => Promise.reject(new Error("stuck")) });
    await lifecycle.start();
    expect(await lifecycle.stop()).toBe(1);
    expect(happened).toContain("<3>leave_failed code=unknown message=stuck");
    expect(happened.at(-1)).toBe("close");
  });
});

describe("handleSignals", () => {
  test("a second SIGTERM or SIGINT abandons what the first began", () => {
    const source = new EventEmitter();
    const received: string[] = [];
    const release = handleSignals(source, {
      reload: () => received.push("reload"),
      dump: () => received.push("dump"),
      switchDetails: () => received.push("details"),
      stop: () => received.push("stop"),
      abandon: () => received.push("abandon"),
    });
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGINT"]) source.emit(signal);
    expect(received).toEqual(["reload", "dump", "details", "stop", "abandon"]);
    release();
    expect(source.eventNames()).toEqual([]);
  });
});
