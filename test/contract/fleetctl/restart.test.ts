import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acceleratedClock, fleetctl, type Outcome } from "./command-line.ts";
import { WholeCluster } from "./whole-cluster.ts";

const legend = "0acdd9bf.../10.0.2.15";
const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
const global = `${sleeper}\n[X-Fleet]\nGlobal=true\n`;

let cluster: WholeCluster;

beforeEach(async () => {
  cluster = await WholeCluster.start();
  for (const name of ["a", "b", "c"]) await cluster.put(`${name}.service`, sleeper, "launched");
});

afterEach(() => cluster.close());

const shell = (line: string, signal?: AbortSignal): Promise<Outcome> =>
  fleetctl(cluster.endpoint, line.split(" "), {
    clock: acceleratedClock(10),
    ...(signal === undefined ? {} : { signal }),
  });

/** The unit does not come up until told to. */
const hang = (name: string): void => cluster.systemd.behave(name, { startPreMs: 60_000 });
/** Waits until the unit's turn has come and fleetctl, which follows the request, has heard of it. Resolves with its id. */
const underWay = async (unit: string): Promise<string> => {
  const restart = async () => (await cluster.registry.restarts.list())[0];
  const begun = async (): Promise<boolean> =>
    (await restart())?.record.steps.some((step) => step.unit === unit) ?? false;
  await cluster.until(begun);
  const id = (await restart())?.id ?? "";
  const polls = (): number => cluster.requests.filter((each) => each.endsWith(`/restarts/${id}`)).length;
  const before = polls();
  // The second of these has been asked after the first was answered.
  await cluster.until(() => polls() >= before + 2);
  return id;
};

describe("restart", () => {
  it("restarts each unit once and tells of each, global ones and patterns included", async () => {
    await cluster.put("g.service", global, "launched");
    expect(await shell("restart c g [ab]")).toEqual({
      code: 0,
      stdout: ["c", "g", "a", "b"].map((name) => `Unit ${name}.service restarted on ${legend}\n`).join(""),
      stderr: "",
    });
    for (const name of ["a", "b", "c", "g"]) expect(cluster.starts(`${name}.service`)).toBe(2);
  });

  it("starts a unit that is loaded, and refuses an inactive one", async () => {
    await cluster.put("loaded.service", sleeper, "loaded");
    await cluster.put("inactive.service", sleeper, "inactive");
    expect(await shell("restart inactive loaded")).toEqual({
      code: 1,
      stdout: `Unit loaded.service restarted on ${legend}\n`,
      stderr: "Unable to restart unit inactive.service in state inactive\n",
    });
    expect(cluster.starts("loaded.service")).toBe(1);
  });

  it("ends at the first that fails, says why, and names those not restarted", async () => {
    cluster.systemd.behave("b.service", { fails: true, runMs: 0 });
    expect(await shell("restart a b c")).toEqual({
      code: 1,
      stdout: `Unit a.service restarted on ${legend}\n`,
      stderr: [
        `Error restarting units: unit b.service failed on ${legend}: systemd reports failed (failed)`,
        "Not restarted: c.service",
        "",
      ].join("\n"),
    });
    expect(cluster.starts("c.service")).toBe(1);
  });

  it("tells a failure as JSON with --json", async () => {
    cluster.systemd.behave("b.service", { fails: true, runMs: 0 });
    const { code, stderr } = await shell("--json restart b c");
    const [line, left] = stderr.split("\n");
    expect([code, left]).toEqual([1, "Not restarted: c.service"]);
    const message = `Error restarting units: unit b.service failed on ${legend}: systemd reports failed (failed)`;
    expect(JSON.parse(line ?? "")).toEqual({ error: { code: "failed", message, hints: [] } });
  });

  it("passes on what systemd refuses", async () => {
    cluster.systemd.crash("a.service");
    cluster.systemd.behave("a.service", { load: "bad-setting" });
    const { code, stderr } = await shell("restart a");
    expect(code).toBe(1);
    expect(stderr).toContain("org.freedesktop.systemd1.BadUnitSetting");
  });

  it("returns at once with --no-block, and the cluster goes on", async () => {
    expect(await shell("restart --no-block a b")).toEqual({
      code: 0,
      stdout: "Triggered unit a.service restart\nTriggered unit b.service restart\n",
      stderr: "",
    });
    await cluster.until(() => cluster.starts("b.service") === 2);
  });

  it("says what it waits for, and what is left when its patience ends", async () => {
    hang("b.service");
    const { code, stdout, stderr } = await shell("restart --block-attempts=8 a b c");
    expect([code, stdout]).toEqual([1, `Unit a.service restarted on ${legend}\n`]);
    expect(stderr).toMatch(
      /^Unit b\.service is not up yet on .*: waiting\.\nError waiting for units: timed out .* The cluster goes on with it; `fleetctl restart --cancel=[0-9a-f]{16}` has .*\nNot restarted: c\.service\n$/,
    );
  });

  it("says that nothing has begun while another request has the unit", async () => {
    hang("b.service");
    await cluster.registry.restarts.create({ units: ["b.service"], parallel: 1 });
    await cluster.until(async () => {
      const [first] = await cluster.registry.restarts.list();
      return first?.record.steps.length === 1;
    });
    const { code, stdout, stderr } = await shell("restart --block-attempts=8 a b c");
    expect([code, stdout]).toEqual([1, `Unit a.service restarted on ${legend}\n`]);
    expect(stderr).toMatch(
      /^The turn of b\.service has not come: another request is restarting it, or no engine leads\. Waiting\.\nError waiting for units: timed out .*\nNot restarted: b\.service c\.service\n$/,
    );
  });

  it("says on Ctrl-C that the cluster goes on", async () => {
    hang("a.service");
    const interrupt = new AbortController();
    const outcome = shell("restart a b", interrupt.signal);
    await underWay("a.service");
    interrupt.abort();
    const { code, stderr } = await outcome;
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /^(Unit a\.service is not up yet .*\n)?The cluster goes on with it; .*\nInterrupted\n$/,
    );
  });

  it("cancels a request as it says on Ctrl-C, telling what was under way and what is left", async () => {
    hang("a.service");
    const interrupt = new AbortController();
    const outcome = shell("restart a b c", interrupt.signal);
    const id = await underWay("a.service");
    interrupt.abort();
    const [command] = /restart --cancel=[0-9a-f]+/.exec((await outcome).stderr) ?? [];
    expect(await shell(command ?? "")).toEqual({
      code: 0,
      stdout: `Restart ${id} cancelled\n`,
      stderr: `Unit a.service is being restarted on ${legend}: that goes on\nNot restarted: b.service c.service\n`,
    });
    expect(await cluster.registry.restarts.list()).toEqual([]);
    expect(await shell(`restart --cancel ${id}`)).toEqual({
      code: 1,
      stdout: "",
      stderr: `There is no restart ${id}\n  None is under way\n`,
    });
  });

  it("says which requests are under way when that to be cancelled is none, or has ended", async () => {
    hang("a.service");
    const { restarts } = cluster.registry;
    const request = async (unit: string): Promise<string> => {
      const created = await restarts.create({ units: [unit], parallel: 1 });
      return created.outcome === "created" ? created.restart.id : "refused";
    };
    const [ended, other] = [await request("b.service"), await request("a.service")];
    await cluster.until(async () => (await restarts.read(ended))?.record.state === "done");
    const hint = `  Under way: ${other} (a.service)\n`;
    expect(await shell("restart --cancel=x")).toMatchObject({
      code: 1,
      stderr: `There is no restart x\n${hint}`,
    });
    expect(await shell(`restart --cancel=${ended}`)).toMatchObject({
      code: 1,
      stderr: `Restart ${ended} has ended already: done\n${hint}`,
    });
    expect(await restarts.list()).toHaveLength(2);
  });

  it.each([
    ["restart --cancel=x a", "--cancel takes no units"],
    ["restart --cancel=", "--cancel needs the id of a request"],
  ])("refuses %s", async (line, message) => {
    expect(await shell(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });

  it("tells that the request was cancelled", async () => {
    hang("a.service");
    const outcome = shell("restart a b");
    const id = await underWay("a.service");
    await cluster.registry.restarts.cancel(id);
    const { code, stderr } = await outcome;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Error restarting units: the request was cancelled; .*\nNot seen to begin: b\.service\n$/,
    );
    expect(cluster.starts("b.service")).toBe(1);
  });

  it("tells of units that were stopped or destroyed before their turn", async () => {
    hang("a.service");
    const outcome = shell("restart a b c");
    await underWay("a.service");
    await cluster.registry.intents.destroy("b.service");
    await cluster.registry.intents.put({ name: "c.service", target: "loaded" });
    await cluster.registry.intents.destroy("a.service");
    const { code, stdout, stderr } = await outcome;
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("Unit b.service not restarted: it was destroyed\n");
    expect(stderr).toContain("Unit c.service not restarted: its target state was changed to loaded\n");
  });
});
