import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetctl } from "./command-line.ts";
import { options, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

describe("failures", () => {
  it("name the daemon's trouble with etcd", async () => {
    here.fleet.etcdAway = true;
    const { code, stdout, stderr } = await shell("list-machines");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "Error retrieving list of active machines from fleet API (fleet server unable to communicate with etcd)\n" +
        "  fleetd answers, but cannot reach etcd; units keep running meanwhile.\n" +
        "  Check that etcd is up and that etcd_servers in fleet.conf names it.\n",
    );
  });

  it.each([
    ["list-machines", "Error retrieving list of active machines from fleet API ("],
    ["list-units", "Error retrieving list of units from repository: "],
    ["list-unit-files", "Error retrieving list of units from repository: "],
    ["cat a", "Error retrieving Unit a.service: "],
    ["submit a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["load a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["start a", "Error creating units: error retrieving Unit(a.service) from Registry: "],
    ["stop a", "Error retrieving list of units from fleet API ("],
    ["unload a", "Error retrieving list of units from fleet API ("],
    ["destroy a", "Error retrieving list of units from fleet API ("],
  ])("of %s to reach the daemon are said with hints", async (line, beginning) => {
    const { code, stdout, stderr } = await fleetctl(`unix://${here.directory}/none.sock`, line.split(" "));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr.startsWith(beginning)).toBe(true);
    expect(stderr).toContain("Is fleetd running there");
  });

  it("of a daemon that does not answer end after --request-timeout", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(join(here.directory, "silent.sock"), resolve));
    const args = ["--request-timeout=0.1", "list-machines"];
    const { code, stderr } = await fleetctl(`unix://${here.directory}/silent.sock`, args);
    expect(code).toBe(1);
    expect(stderr).toContain("from fleet API (no answer within 0.1 s)");
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
  });

  it("are one JSON line with --json", async () => {
    const { stderr } = await shell("cat --json a");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "failed", message: "Unit a.service not found" },
    });
  });

  it.each([
    ["start --sign a", 2, "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n"],
    ["verify a", 2, "WARNING: The signed/verified units feature is DEPRECATED and cannot be used.\n"],
    ["status a", 1, "Unit a.service does not exist.\n"],
    ["journal a", 1, "Unit a.service does not exist.\n"],
    ["journal", 1, "One unit file must be provided.\n"],
    ["journal web@*", 1, "One unit file must be provided: journal takes no pattern (web@*)\n"],
    ["status", 0, "No units given\n"],
    ["fd-forward", 1, "One socket must be provided, as in: fleetctl fd-forward /var/run/fleet.sock\n"],
    ["--tunnel=gate:ssh list-units", 1, '--tunnel="gate:ssh": a port is a number between 1 and 65535\n'],
    [
      "--tunnel=gate --driver=etcd list-units",
      1,
      "--tunnel leads to a daemon, not to etcd: leave out --driver=etcd\n",
    ],
    ["--driver=x list-units", 1, "Unrecognized driver: x\n"],
    ["cat", 1, "One unit file must be provided\n"],
    ["cat a b", 1, "One unit file must be provided\n"],
    ["cat nope", 1, "Unit nope.service not found\n"],
    ["--bogus list-units", 2, 'unknown flag: --bogus\nRun "fleetctl help" for usage.\n'],
    ["list-units --bogus", 2, 'unknown flag: --bogus\nRun "fleetctl help list-units" for usage.\n'],
    [
      "list-un",
      2,
      'command "list-un" is ambiguous: list-unit-files, list-units\nRun "fleetctl help" for usage.\n',
    ],
    ["help start stop", 2, 'help takes the name of one command\nRun "fleetctl help" for usage.\n'],
    ["man start stop", 2, 'man takes the name of one command\nRun "fleetctl help" for usage.\n'],
    ["help bogus", 2, 'unknown command "bogus"\nRun "fleetctl help" for usage.\n'],
  ])("%s", async (line, code, stderr) => {
    expect(await shell(line)).toEqual({ code, stdout: "", stderr });
    expect(here.fleet.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
  });

  it("of an endpoint with two slashes say what is missing", async () => {
    const { code, stderr } = await fleetctl("unix://var/run/fleet.sock", ["list-units"]);
    expect(code).toBe(1);
    expect(stderr).toContain("unix:///var/run/fleet.sock (three slashes)");
  });

  it("are not for flags that fleet has retired", async () => {
    const { code, stderr } = await shell(
      "--experimental-api --etcd-keyfile=x --ssh-timeout 5 list-units --no-legend",
    );
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("of several endpoints", () => {
  it("the next is used when one cannot be reached, which is said once", async () => {
    const endpoints = `unix://${here.directory}/none.sock,${here.endpoint}`;
    here.fleet.add("a.service", options(), "launched");
    const { code, stderr } = await fleetctl(endpoints, ["stop", "a"]);
    expect(code).toBe(0);
    const warnings = stderr.split("\n").filter((line) => line.startsWith("WARNING"));
    expect(warnings).toEqual([
      `WARNING: unix://${here.directory}/none.sock cannot be reached ` +
        `(connect ENOENT ${here.directory}/none.sock): using ${here.endpoint}`,
    ]);
  });

  it("the second is not asked while the first answers", async () => {
    const { code, stderr } = await fleetctl(`${here.endpoint},http://127.0.0.1:1`, [
      "list-units",
      "--no-legend",
    ]);
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("each is named when none can be reached", async () => {
    const endpoints = ["a", "b"].map((name) => `unix://${here.directory}/${name}.sock`);
    const { code, stderr } = await fleetctl(endpoints.join(","), ["list-machines"]);
    expect(code).toBe(1);
    expect(stderr).toContain("from fleet API (none of the endpoints can be reached: ");
    for (const endpoint of endpoints) expect(stderr).toContain(`${endpoint}: connect ENOENT`);
  });
});
