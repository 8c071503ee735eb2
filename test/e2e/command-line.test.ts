import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseUnitFile, serializeUnitFile } from "@fleet/core";
import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const fixture = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** hello.service as it was written for CoreOS, docker and all: fit to be stored, not to be run here. */
const COREOS_HELLO = fixture("test/fixtures/coreos-units/hello.service");

// The machine of the transcript, and one more. Ties of load go to the lower id.
const ID = "0acdd9bf5d4f4b6eb0a4ee5e3f1d7c22";
const LEGEND = "0acdd9bf.../10.0.2.15";
const lab = useLabCluster({
  machines: [
    {
      machineId: ID,
      env: { FLEET_PUBLIC_IP: "10.0.2.15" },
      metadata: { "private-ip": "172.17.8.103", region: "china" },
    },
    { machineId: "1".repeat(32) },
  ],
});

/** The same life in a file that runs here; its ExecStartPre takes longer than fleetctl waits. */
const slowHello = [
  "[Unit]",
  "Description=Hello World",
  "",
  "[Service]",
  "TimeoutStartSec=0",
  "ExecStartPre=/bin/sleep 4",
  'ExecStart=/bin/sh -c "while true; do echo Hello World; sleep 1; done"',
  "",
  "[X-Fleet]",
  "X-Conflicts=hello.service",
  "",
].join("\n");

/** Lines of a table, cells separated by one blank, as a reader sees them. */
function table(text: string): readonly string[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replaceAll(/\t+/g, " "));
}

async function stdout(...args: readonly string[]): Promise<string> {
  return (await lab.fleetctlOk(...args)).stdout;
}

describe("the transcript of fleet 1.0", () => {
  it("of hello.service as it stands: submit, list, cat", async () => {
    expect(await lab.fleetctlOk("submit", COREOS_HELLO)).toMatchObject({
      stdout: "Unit hello.service inactive\n",
      stderr: "",
    });
    expect(await stdout("list-unit-files")).toBe(
      "UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nhello.service\t4bff33d\tinactive\tinactive\t-\n",
    );
    expect(await stdout("list-unit-files", "--full", "--no-legend", "--fields=hash")).toBe(
      "4bff33ddbd89a80a6fb48ffaf1c333c1d2a562fc\n",
    );
    const hello = parseUnitFile(readFileSync(COREOS_HELLO, "utf8"));
    expect(hello.ok).toBe(true);
    expect(await stdout("cat", "hello.service")).toBe(hello.ok ? serializeUnitFile(hello.value) : "");
    expect(await stdout("list-units")).toBe("UNIT\tMACHINE\tACTIVE\tSUB\n");
  });

  it("of a life: load, start, stop, unload, destroy", async () => {
    const [path = ""] = lab.unitFiles({ "hello.service": slowHello });
    await lab.fleetctlOk("submit", path);
    expect(await stdout("load", "hello.service")).toBe(`Unit hello.service loaded on ${LEGEND}\n`);
    const files = await stdout("list-unit-files", "--no-legend", "--fields=unit,dstate,state,target");
    expect(table(files)).toEqual([`hello.service loaded loaded ${LEGEND}`]);
    expect(table(await stdout("list-units", "--no-legend"))).toEqual([
      `hello.service ${LEGEND} inactive dead`,
    ]);

    const started = await lab.fleetctlOk("start", "hello.service");
    expect(started.stdout).toBe(`Unit hello.service launched on ${LEGEND}\n`);
    expect(started.stderr).toContain("start-pre");
    expect(await stdout("list-units")).toBe(
      `UNIT\t\tMACHINE\t\t\tACTIVE\t\tSUB\nhello.service\t${LEGEND}\tactivating\tstart-pre\n`,
    );
    await lab.untilActive(["hello.service m1"]);
    expect(await stdout("list-units", "--no-legend")).toBe(`hello.service\t${LEGEND}\tactive\trunning\n`);
    expect(await stdout("list-machines")).toBe(
      [
        "MACHINE\t\tIP\t\tMETADATA",
        "0acdd9bf...\t10.0.2.15\tprivate-ip=172.17.8.103,region=china",
        "11111111...\t127.0.0.12\t-",
        "",
      ].join("\n"),
    );

    expect(await lab.fleetctl("stop", "hello.service")).toMatchObject({
      exitCode: 0,
      stdout: `Unit hello.service loaded on ${LEGEND}\n`,
      stderr: "Successfully stopped units [hello.service].\n",
    });
    expect(await lab.activeState("hello.service", "m1")).not.toBe("active");
    expect(await lab.fleetctl("unload", "hello.service")).toMatchObject({
      exitCode: 0,
      stdout: "Unit hello.service inactive\n",
      stderr: "Successfully unloaded units [hello.service].\n",
    });
    expect(lab.hasUnitFile("hello.service", "m1")).toBe(false);
    expect(await stdout("list-units", "--no-legend")).toBe("");
    expect(await lab.fleetctl("destroy", "hello.service")).toMatchObject({
      exitCode: 0,
      stdout: "Destroyed hello.service\n",
      stderr: "",
    });
    expect(await stdout("list-unit-files", "--no-legend")).toBe("");
  });

  it("of its machine's reboot: the unit runs on the other one, and stays there", async () => {
    await lab.start({ "hello.service": serviceText({ xFleet: ["X-Conflicts=hello.service"] }) });
    expect(await lab.placements()).toEqual({ "hello.service": "m1" });
    await lab.machine("m1").kill();
    await lab.untilActive(["hello.service m2"]);
    expect(table(await stdout("list-machines", "--no-legend"))).toEqual(["11111111... 127.0.0.12 -"]);
    await lab.machine("m1").reboot();
    await lab.cluster.waitFor({
      what: "m1 to be back",
      probe: () => stdout("list-machines", "--no-legend"),
      until: (machines) => machines.includes("0acdd9bf"),
      timeoutMs: 10_000,
    });
    await lab.untilActive(["hello.service m2"]);
  });
});

describe("listings", () => {
  it("list-units takes --fields, --no-legend and --full", async () => {
    await lab.start({ "a.service": serviceText(), "b.service": serviceText() });
    expect(await stdout("list-units", "--no-legend", "--fields=unit,load,active,sub")).toBe(
      "a.service\tloaded\tactive\trunning\nb.service\tloaded\tactive\trunning\n",
    );
    expect(table(await stdout("list-units", "--full", "--fields=unit,machine"))).toEqual([
      "UNIT MACHINE",
      `a.service ${ID}/10.0.2.15`,
      `b.service ${"1".repeat(32)}/127.0.0.12`,
    ]);
    const short = await stdout("list-units", "--no-legend", "--fields=hash");
    expect(short).toMatch(/^([0-9a-f]{7}\n){2}$/);
    expect(await stdout("list-units", "-l", "--no-legend", "--fields=hash")).toMatch(/^([0-9a-f]{40}\n){2}$/);
    expect(await lab.fleetctl("list-units", "--fields=unit,color")).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining('Invalid key in output format: "color"'),
    });
    expect(table(await stdout("list-machines", "--full", "--no-legend", "--fields=machine"))).toEqual([
      ID,
      "1".repeat(32),
    ]);
    expect(table(await stdout("list_machines", "--no-legend", "--fields=ip"))).toEqual([
      "10.0.2.15",
      "127.0.0.12",
    ]);
  });

  it("shows a unit that failed, and fleetctl start exits 1 with the reason", async () => {
    const [path = ""] = lab.unitFiles({
      "bad.service": serviceText({ service: ["Type=oneshot", "ExecStart=/bin/false"] }),
    });
    const started = await lab.fleetctl("start", path);
    expect(started).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("bad.service failed") });
    expect(table(await stdout("list-units", "--no-legend"))).toEqual([`bad.service ${LEGEND} failed failed`]);
  });

  it("tells why systemd refuses to start a unit, for as long as it is not started or stopped", async () => {
    const [path = ""] = lab.unitFiles({
      "needy.service": `[Unit]\nRequires=nosuch.service\n${serviceText()}`,
    });
    const started = await lab.fleetctl("start", path);
    expect(started.exitCode).toBe(1);
    expect(started.stderr).toMatch(
      /needy\.service cannot be started on machine 0acdd9bf\.\.\.: .*nosuch\.service/,
    );
    const listed = async () => JSON.parse(await stdout("list-units", "--json"));
    const problem = expect.stringContaining("nosuch.service");
    expect(await listed()).toMatchObject([{ systemdActiveState: "inactive", problem }]);
    await lab.fleetctlOk("stop", "needy.service");
    await lab.cluster.waitFor({
      what: "the refusal to be forgotten",
      probe: listed,
      until: ([row]) => row?.problem === undefined,
      timeoutMs: 15_000,
    });
  });

  it("a global unit is started everywhere, without waiting, and listed once for each machine", async () => {
    const [path = ""] = lab.unitFiles({ "g.service": serviceText({ xFleet: ["Global=true"] }) });
    expect((await lab.fleetctlOk("start", path)).stderr).toContain("Triggered global unit g.service start");
    await lab.untilActive(["g.service m1", "g.service m2"]);
    expect(table(await stdout("list-units", "--no-legend"))).toEqual([
      `g.service ${LEGEND} active running`,
      "g.service 11111111.../127.0.0.12 active running",
    ]);
    const files = await stdout("list-unit-files", "--no-legend", "--fields=unit,dstate,state,target");
    expect(table(files)).toEqual(["g.service launched - global"]);
  });
});

describe("verbs", () => {
  it("return at once with --no-block", async () => {
    const [path = ""] = lab.unitFiles({ "hello.service": slowHello });
    expect(await stdout("load", "--no-block", path)).toContain("Triggered unit hello.service load");
    expect(await stdout("start", "--no-block", "hello")).toContain("Triggered unit hello.service start");
    await lab.untilActive(["hello.service m1"]);
    await lab.fleetctlOk("stop", "--no-block", "hello");
    await lab.untilActive([]);
    await lab.fleetctlOk("destroy", "--no-block", "hello");
  });

  it.each(["submit", "load", "start", "stop", "unload", "destroy"])("%s without units", async (verb) => {
    const { exitCode, stdout: out, stderr } = await lab.fleetctl(verb);
    expect([exitCode, out + stderr]).toEqual([0, expect.stringContaining("No units given")]);
  });

  it.each(["stop", "unload", "destroy"])("%s of unknown units", async (verb) => {
    const { exitCode, stdout: out, stderr } = await lab.fleetctl(verb, "nope.service");
    expect([exitCode, out + stderr]).toEqual([0, expect.stringContaining("Units not found in registry")]);
    await lab.start({ "known.service": serviceText() });
    const mixed = await lab.fleetctl(verb, "nope.service", "known.service");
    expect(mixed).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("nope.service") });
    await lab.untilActive([]);
  });

  it("cat of an unknown unit, stop of an inactive one", async () => {
    expect(await lab.fleetctl("cat", "nope")).toMatchObject({
      exitCode: 1,
      stderr: "Unit nope.service not found\n",
    });
    await lab.fleetctlOk("submit", COREOS_HELLO);
    expect(await lab.fleetctl("stop", "hello")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("Unable to stop unit hello.service in state inactive"),
    });
  });
});
