import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ServiceEvent, serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster();

const NAMES = ["a", "b", "c", "d", "e"].map((name) => `${name}.service`);
const PATIENCE_MS = 60_000;

const restartAnswer = z.object({
  id: z.string(),
  state: z.string(),
  steps: z.array(
    z.object({
      unit: z.string(),
      machineID: z.string().optional(),
      state: z.string(),
      message: z.string().optional(),
    }),
  ),
});
type Restart = z.infer<typeof restartAnswer>;

/** Notes `up` before it counts as active, and `down` when it begins to stop; its start takes some time. */
function service(options: { readonly pre?: string; readonly xFleet?: readonly string[] } = {}): string {
  return serviceText({
    service: [
      `ExecStartPre=${options.pre ?? "/bin/sleep 0.5"}`,
      "ExecStart=/bin/sleep infinity",
      `ExecStartPost=/bin/sh -c '${lab.note("up $$INVOCATION_ID")}'`,
      `ExecStop=/bin/sh -c '${lab.note("down $$INVOCATION_ID")}; sleep 0.3'`,
    ],
    ...(options.xFleet === undefined ? {} : { xFleet: options.xFleet }),
  });
}

/** Five units on three machines. */
async function startFive(files: Readonly<Record<string, string>> = {}): Promise<void> {
  await lab.start(Object.fromEntries(NAMES.map((name) => [name, files[name] ?? service()])));
  for (const name of NAMES) await lab.untilEvents(name, 1);
}

/** The one request there is. */
async function theRestart(): Promise<Restart> {
  const [via] = lab.machines.filter((machine) => machine.fleetdPid !== undefined);
  const answer = await via?.request({ path: "/fleet/v1/restarts" });
  const { restarts } = z.object({ restarts: z.array(restartAnswer) }).parse(answer?.body);
  // The latest comes first; those of the tests before are kept for a while.
  return restarts[0] ?? expect.fail("there is no restart");
}

async function untilEnded(): Promise<Restart> {
  return await lab.cluster
    .waitFor({
      what: "the restart to end",
      probe: theRestart,
      until: ({ state }) => state !== "running",
      timeoutMs: PATIENCE_MS,
    })
    .then(({ value }) => value);
}

/** Each unit was started, stopped and started again, where it was, in a new invocation. */
function expectOnce(unit: string): void {
  const events = lab.events().filter((event) => event.unit === unit);
  expect(
    events.map(({ what }) => what.split(" ")[0]),
    unit,
  ).toEqual(["up", "down", "up"]);
  const [first, down, second] = events.map(({ what }) => what.split(" ")[1]);
  expect(down).toBe(first);
  expect(second).not.toBe(first);
  expect(new Set(events.map(({ machine }) => machine)).size).toBe(1);
}

/** The revision at which the present leader was elected. */
async function term(): Promise<number | undefined> {
  return (await lab.registryRows()).find(({ key }) => key === "leader")?.modRevision;
}

/** The most that were down at once after having been up, of all units and machines. */
function mostDown(events: readonly ServiceEvent[]): number {
  const down = new Set<string>();
  let most = 0;
  for (const { unit, machine, what } of events) {
    if (what.startsWith("down")) down.add(`${unit} ${machine}`);
    else down.delete(`${unit} ${machine}`);
    most = Math.max(most, down.size);
  }
  return most;
}

describe("a rolling restart of five units over three machines", () => {
  it("is finished by the cluster when fleetctl is killed in the middle: each once, one at a time", async () => {
    await startFive();
    const [via] = lab.machines;
    const client = spawn(programOf("fleetctl"), ["restart", ...NAMES], {
      env: { ...process.env, FLEETCTL_ENDPOINT: via?.endpoint ?? "" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let stdout = "";
    client.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    await lab.untilEvents("b.service", 2);
    client.kill("SIGKILL");
    await new Promise((resolve) => client.on("close", resolve));
    expect(lab.history("d.service")).toHaveLength(1);

    const { steps, state } = await untilEnded();
    expect(state).toBe("done");
    expect(steps.map(({ unit, state: of }) => `${unit} ${of}`)).toEqual(NAMES.map((name) => `${name} done`));
    for (const name of NAMES) expectOnce(name);
    expect(mostDown(lab.events())).toBe(1);
    expect(stdout).not.toContain("d.service");
  });

  it("is told of as it goes, and takes as many at a time as it may", async () => {
    await startFive();
    const placements = await lab.placements();
    const { stdout, stderr } = await lab.fleetctlOk("restart", "--parallel=2", ...NAMES);
    expect(stderr).toBe("");
    const ids = Object.fromEntries(lab.machines.map(({ name, id }) => [name, id.slice(0, 8)]));
    expect(
      stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => line.replace(/\/.*/, ""))
        .sort(),
    ).toEqual(NAMES.map((name) => `Unit ${name} restarted on ${ids[placements[name] ?? ""]}...`));
    for (const name of NAMES) expectOnce(name);
    expect(mostDown(lab.events())).toBe(2);
  });

  it("goes on when its leader is killed meanwhile: each once, one at a time", async () => {
    await startFive();
    const [leader, before] = [await lab.leader(), await term()];
    const via = lab.machines.find((machine) => machine !== leader);
    expect(await lab.cluster.fleetctl(["restart", "--no-block", ...NAMES], via && { via })).toMatchObject({
      exitCode: 0,
      stdout: NAMES.map((name) => `Triggered unit ${name} restart\n`).join(""),
    });
    await lab.untilEvents("b.service", 2);
    await leader.killFleetd();
    await leader.startFleetd();
    expect((await untilEnded()).state).toBe("done");
    // Whichever machine leads by then, it is another engine.
    expect(await term()).not.toBe(before);
    for (const name of NAMES) expectOnce(name);
    expect(mostDown(lab.events())).toBe(1);
  });

  it("stops at the third, which fails: the fourth and fifth are untouched, and it is said why", async () => {
    const flag = join(lab.cluster.directory.subdirectory("flags"), "refuse");
    rmSync(flag, { force: true });
    await startFive({ "c.service": service({ pre: `/bin/sh -c 'test ! -e ${flag}'` }) });
    const machine = (await lab.placements())["c.service"] ?? "";
    const legend = `${lab.machine(machine).id.slice(0, 8)}...`;
    writeFileSync(flag, "");
    const { exitCode, stdout, stderr } = await lab.fleetctl("restart", ...NAMES);
    expect(exitCode).toBe(1);
    expect(stdout.split("\n").map((line) => line.split(" ")[1])).toEqual([
      "a.service",
      "b.service",
      undefined,
    ]);
    expect(stderr).toContain(`Error restarting units: unit c.service failed on ${legend}`);
    expect(stderr).toContain("systemd reports failed");
    expect(stderr).toContain("Not restarted: d.service e.service\n");
    const { state, steps } = await untilEnded();
    expect(state).toBe("failed");
    expect(steps.map((step) => step.state)).toEqual(["done", "done", "failed"]);
    expect(steps[2]).toMatchObject({ unit: "c.service", message: expect.stringContaining("failed") });
    for (const name of ["a.service", "b.service"]) expectOnce(name);
    for (const name of ["d.service", "e.service"]) expect(lab.history(name)).toHaveLength(1);
  });
});

describe("a restart of one unit", () => {
  it("that is global goes machine by machine", async () => {
    await lab.start({ "g.service": service({ xFleet: ["Global=true"] }) });
    await lab.untilEvents("g.service", 3);
    const { stdout } = await lab.fleetctlOk("restart", "g.service");
    const machines = stdout.split("\n").slice(0, -1);
    expect(machines.map((line) => line.replace(/\.\.\..*/, ""))).toEqual(
      lab.machines.map(({ id }) => `Unit g.service restarted on ${id.slice(0, 8)}`),
    );
    const events = lab.events();
    expect(mostDown(events)).toBe(1);
    for (const { name } of lab.machines) {
      const own = events.filter(({ machine }) => machine === name).map(({ what }) => what.split(" ")[0]);
      expect(own, name).toEqual(["up", "down", "up"]);
    }
  });

  it("that is loaded starts it, once", async () => {
    await lab.fleetctlOk("load", ...lab.unitFiles({ "a.service": service() }));
    const { stdout } = await lab.fleetctlOk("restart", "a.service");
    expect(stdout).toMatch(/^Unit a\.service restarted on [0-9a-f]{8}\.\.\./);
    expect(lab.history("a.service")).toHaveLength(1);
    expect(await lab.active()).toEqual(["a.service m1"]);
    // A restarted fleetd, or a replan, restarts nothing.
    await lab.machine("m1").killFleetd();
    await lab.machine("m1").startFleetd();
    await lab.fleetctlOk("restart", "a.service");
    expectOnce("a.service");
  });
});
