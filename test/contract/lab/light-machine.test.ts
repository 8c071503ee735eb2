import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LabDirectory, type LightMachine, startLightMachine } from "@fleet/lab";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let directory: LabDirectory;
beforeEach(() => {
  directory = LabDirectory.create();
});
afterEach(async () => {
  await directory.remove();
});

/** Starts a unit of two processes that nobody else on the host runs, and returns their command line. */
async function startPair(machine: LightMachine): Promise<string> {
  const seconds = `98${process.pid}.${machine.name.length}${machine.machineId.replaceAll(/\D/g, "").slice(0, 6)}`;
  const text = `[Service]\nExecStart=/bin/sh -c 'sleep ${seconds} & exec sleep ${seconds}'\n`;
  await writeFile(join(machine.unitsDirectory, "pair.service"), text);
  expect(await machine.systemctl("start", "pair.service")).toMatchObject({ exitCode: 0 });
  await expect.poll(() => processesRunning(`sleep ${seconds}`)).toHaveLength(2);
  return `sleep ${seconds}`;
}

/** Host pids of the processes with exactly this command line. */
function processesRunning(commandLine: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLineOf(pid) === commandLine);
}

function commandLineOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1).join(" ");
  } catch {
    return undefined;
  }
}

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** As in ps: `T` is stopped. */
function stateOf(pid: number): string | undefined {
  return /^State:\t(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}

describe("a light machine", () => {
  it("has a machine id, a host name, process ids and a systemd of its own", async () => {
    const machineId = "0123456789abcdef0123456789abcdef";
    const machine = await startLightMachine({ directory, name: "m1", machineId });
    const result = await machine.run([
      "sh",
      "-c",
      "cat /etc/machine-id; hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo; systemctl --user show -P Version",
    ]);
    const [id, host, init, version] = result.stdout.split("\n");
    expect({ id, host }).toEqual({ id: machineId, host: "m1" });
    expect(init).toContain("machine.sh");
    expect(version).toMatch(/^\d/);
  });

  it("keeps its units apart from those of the same name on another machine", async () => {
    const [first, second] = await Promise.all([
      startLightMachine({ directory, name: "m1" }),
      startLightMachine({ directory, name: "m2" }),
    ]);
    await startPair(first);
    const other = await startPair(second);
    await first.systemctl("stop", "pair.service");
    expect(processesRunning(other)).toHaveLength(2);
    expect((await second.systemctl("is-active", "pair.service")).stdout).toBe("active\n");
  });

  it("stops every process of a unit, not only the main one", async () => {
    const machine = await startLightMachine({ directory, name: "m1" });
    const commandLine = await startPair(machine);
    await machine.systemctl("stop", "pair.service");
    expect(processesRunning(commandLine)).toEqual([]);
  });

  it("loses everything when it is killed, and boots with empty runtime directories", async () => {
    const machine = await startLightMachine({ directory, name: "m1" });
    const commandLine = await startPair(machine);
    await machine.kill();
    await expect.poll(() => processesRunning(commandLine)).toEqual([]);
    expect(machine.running).toBe(false);
    await expect(async () => machine.run(["true"])).rejects.toThrow("m1 is down");
    await machine.boot();
    expect(existsSync(join(machine.unitsDirectory, "pair.service"))).toBe(false);
    expect((await machine.systemctl("is-system-running")).stdout).toMatch(/running|degraded/);
  });

  it("tells the host's pid of a program, so that a signal reaches the program itself", async () => {
    const machine = await startLightMachine({ directory, name: "m1" });
    const program = await machine.startProgram({
      command: ["sleep", "infinity"],
      env: {},
      logFile: join(machine.path, "sleep.log"),
    });
    await expect.poll(() => commandLineOf(String(program.pid))).toBe("sleep infinity");
    program.signal("SIGKILL");
    await program.ended;
    expect(commandLineOf(String(program.pid))).toBeUndefined();
    expect(machine.running).toBe(true);
  });

  it.each<readonly NodeJS.Signals[]>([["SIGCONT", "SIGTERM"], ["SIGKILL"]])(
    "sees the end of a program that was stopped, after %s",
    async (...signals) => {
      const machine = await startLightMachine({ directory, name: "m1" });
      const program = await machine.startProgram({
        command: ["sleep", "infinity"],
        env: {},
        logFile: join(machine.path, "sleep.log"),
      });
      await expect.poll(() => commandLineOf(String(program.pid))).toBe("sleep infinity");
      program.signal("SIGSTOP");
      await expect.poll(() => [program.pid, parentOf(program.pid)].map(stateOf)).toEqual(["T", "T"]);
      for (const signal of signals) program.signal(signal);
      await program.ended;
      expect(commandLineOf(String(program.pid))).toBeUndefined();
    },
  );
});
