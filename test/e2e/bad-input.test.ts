import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type CommandResult, programOf } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster({ machines: [{}], restore: false });

const VICTIM = "victim.service";
let victimPid: string;

/** Everything in etcd but the events: those of what went before may still come. */
async function rows() {
  return (await lab.registryRows()).filter(({ key }) => !key.startsWith("events/"));
}

/** Does something that must be refused, and sees to it that nothing has changed: not in etcd, not on the machine. */
async function changingNothing<T>(attempt: () => Promise<T>): Promise<T> {
  if ((await rows()).every(({ key }) => key !== `units/${VICTIM}`)) {
    await lab.start({ [VICTIM]: serviceText() });
    await lab.untilActive([`${VICTIM} m1`]);
    victimPid = await lab.mainPid(VICTIM, "m1");
  }
  const before = await rows();
  const result = await attempt();
  expect([await rows(), await lab.mainPid(VICTIM, "m1")]).toEqual([before, victimPid]);
  return result;
}

/** fleetctl with these arguments fails with this code and says this on stderr. */
async function expectRefused(args: readonly string[], exitCode: number, says: string): Promise<void> {
  const result = await changingNothing(() => lab.fleetctl(...args));
  expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(says) });
}

describe("names", () => {
  it.each([
    ["bad name.service", 'invalid character " "'],
    ["schön.service", 'invalid character "ö"'],
    ["@a.service", 'cannot start in "@"'],
    [`${"a".repeat(250)}.service`, "exceeds maximum length (256)"],
  ])("%s", async (name, says) => {
    // The longest is longer than a file's name may be.
    const [path = ""] = name.length > 256 ? [name] : lab.unitFiles({ [name]: serviceText() });
    for (const verb of ["submit", "start"]) await expectRefused([verb, path], 1, says);
  });

  it.each(["stop", "unload", "destroy", "cat"])("%s", async (verb) => {
    const result = await changingNothing(() => lab.fleetctl(verb, "bad name.service"));
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('invalid character " "');
  });

  it("a template is submitted, never loaded or started", async () => {
    const [path = ""] = lab.unitFiles({ "x@.service": serviceText() });
    for (const verb of ["load", "start"]) {
      await expectRefused([verb, path], 1, 'cannot activate template "x@.service"');
    }
  });

  it("a unit without file, here and there", async () => {
    const says = "unable to find Unit(nowhere.service) in Registry or on filesystem";
    for (const verb of ["submit", "load", "start"]) await expectRefused([verb, "nowhere.service"], 1, says);
    const saysOfTemplate = "unable to find template Unit(nowhere@.service) in Registry or on filesystem";
    await expectRefused(["start", "nowhere@1.service"], 1, saysOfTemplate);
  });
});

describe("unit files", () => {
  const id = "1".repeat(32);
  it.each<[what: string, text: string | Uint8Array, says: string]>([
    [
      "garbage behind a section",
      "[Service] oops\nExecStart=/bin/true\n",
      "line 1: found garbage after section",
    ],
    ["an open section", "[Service\nExecStart=/bin/true\n", "line 1: unable to find end of section"],
    ["a line without =", "[Service]\nExecStart=/bin/true\nnonsense\n", "line 3: "],
    ["bytes that are no text", Uint8Array.of(0x5b, 0xff, 0xfe, 0x5d), "cannot use unit file"],
    ["MachineID and Global", fleet(`MachineID=${id}`, "Global=true"), "MachineID cannot be used with Global"],
    [
      "MachineID and MachineOf",
      fleet(`MachineID=${id}`, "MachineOf=a.service"),
      "MachineID cannot be used with",
    ],
    [
      "MachineID and Conflicts",
      fleet(`MachineID=${id}`, "Conflicts=a*"),
      "MachineID cannot be used with Conflicts",
    ],
    [
      "MachineID and Replaces",
      fleet(`MachineID=${id}`, "Replaces=a*"),
      "MachineID cannot be used with Replaces",
    ],
    ["Global and MachineOf", fleet("Global=true", "MachineOf=a.service"), "Global cannot be used with"],
    ["Global and Replaces", fleet("Global=true", "Replaces=a*"), "Global cannot be used with Replaces"],
    [
      "Conflicts and Replaces",
      fleet("Conflicts=a*", "Replaces=b*"),
      "Conflicts cannot be used with Replaces",
    ],
    [
      "MachineOf what it conflicts with",
      fleet("MachineOf=x.service", "Conflicts=x*"),
      'unresolvable requirements: peer "x.service" matches conflict "x*"',
    ],
  ])("%s", async (_what, text, says) => {
    const path = join(lab.cluster.directory.subdirectory("unit-files"), "bad.service");
    writeFileSync(path, text);
    // Nor does the good unit beside it get in.
    const [good = ""] = lab.unitFiles({ "good.service": serviceText() });
    await expectRefused(["start", good, path], 1, says);
  });

  it("one that is refused replaces nothing", async () => {
    const [path = ""] = lab.unitFiles({ [VICTIM]: fleet("Global=true", "Replaces=a*") });
    await expectRefused(["start", "--replace", path], 1, "Global cannot be used with Replaces");
  });

  function fleet(...xFleet: readonly string[]): string {
    return serviceText({ xFleet });
  }
});

describe("command lines", () => {
  it.each<[line: string, exitCode: number, says: string]>([
    ["strat victim.service", 2, 'unknown command "strat"'],
    ["l", 2, "ambiguous"],
    ["start --nope victim.service", 2, "unknown flag: --nope"],
    ["--nope start victim.service", 2, "unknown flag: --nope"],
    ["stop --no-block=maybe victim.service", 2, 'invalid value "maybe" for flag --no-block'],
    ["stop --block-attempts=few victim.service", 2, 'invalid value "few" for flag --block-attempts'],
    ["--request-timeout=0 stop victim.service", 2, "request-timeout"],
    ["--request-timeout", 2, "flag needs an argument: --request-timeout"],
    ["start --sign victim.service", 2, "sign"],
    ["verify victim.service", 2, "DEPRECATED"],
    ["list-units --fields=unit,nope", 1, 'Invalid key in output format: "nope"'],
    ["--driver=carrier-pigeon stop victim.service", 1, "Unrecognized driver: carrier-pigeon"],
    ["--endpoint=unix://var/run/fleet.sock stop victim.service", 1, "unix://"],
    ["--endpoint=ftp://127.0.0.1 stop victim.service", 1, "ftp"],
    ["--endpoint=unix:///nowhere/fleet.sock stop victim.service", 1, "/nowhere/fleet.sock"],
    ["--ca-file=/nowhere/ca.pem --endpoint=https://127.0.0.1:1 list-units", 1, "/nowhere/ca.pem"],
  ])("fleetctl %s", (line, exitCode, says) => expectRefused(line.split(" "), exitCode, says));
});

describe("requests", () => {
  const unit = `/fleet/v1/units/${VICTIM}`;
  const json = { "content-type": "application/json" };
  it.each<
    [
      what: string,
      method: string,
      path: string,
      body: string,
      headers: Record<string, string>,
      status: number,
    ]
  >([
    ["no JSON", "PUT", unit, '{"desiredState":', json, 400],
    ["a list", "PUT", unit, "[]", json, 400],
    [
      "another content type",
      "PUT",
      unit,
      '{"desiredState":"inactive"}',
      { "content-type": "text/plain" },
      415,
    ],
    ["an unknown state", "PUT", unit, '{"desiredState":"gone"}', json, 400],
    ["another name", "PUT", unit, '{"name":"b.service","desiredState":"inactive"}', json, 400],
    ["options that are none", "PUT", unit, '{"desiredState":"inactive","options":[7]}', json, 400],
    ["nothing to do", "PUT", unit, "{}", json, 409],
    ["a unit out of nothing", "PUT", "/fleet/v1/units/b.service", '{"desiredState":"launched"}', json, 409],
    ["a bad name", "PUT", "/fleet/v1/units/b%20c.service", '{"options":[]}', json, 400],
    ["an unknown unit", "DELETE", "/fleet/v1/units/b.service", "", {}, 404],
    ["another method", "POST", unit, "{}", json, 405],
    ["an unknown path", "GET", "/fleet/v2/units", "", {}, 404],
    ["a bad page", "GET", "/fleet/v1/units?nextPageToken=%21", "", {}, 400],
  ])("%s", async (_what, method, path, body, headers, status) => {
    const answer = await changingNothing(() => send(method, path, body, headers));
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error: { code: status, message: expect.stringMatching(/./) } });
  });

  /** A request as raw as it gets. */
  function send(
    method: string,
    path: string,
    body: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const { socketPath } = lab.machine("m1");
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, method, path, headers }, async (incoming) => {
        const chunks = await incoming.toArray();
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
});

describe("configuration", () => {
  /** Runs fleetd with a configuration of its own beside the machine's fleetd. */
  function fleetd(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
    const { machine, fleetdEnvironment } = lab.machine("m1");
    const own = {
      FLEET_UNITS_DIRECTORY: join(machine.runtimeDirectory, "elsewhere"),
      FLEET_LISTEN: `unix://${join(machine.path, "elsewhere.sock")}`,
    };
    const command = [programOf("fleetd"), ...args];
    return machine.run(command, { env: { ...fleetdEnvironment, ...own, ...env }, timeoutMs: 10_000 });
  }

  it("values that are not accepted are named, each with its variable and what is", async () => {
    const values = {
      FLEET_VERBOSITY: "loud",
      FLEET_ETCD_SERVERS: "127.0.0.1:2379",
      FLEET_ETCD_REQUEST_TIMEOUT: "soon",
      FLEET_AGENT_TTL: "1s",
      FLEET_METADATA: "region",
      FLEET_UNITS_DIRECTORY: "units",
      FLEET_SYSTEMD_USER: "maybe",
      FLEET_LISTEN: "unix://var/run/fleet.sock",
      FLEET_TOKEN_LIMIT: "0",
    };
    const result = await changingNothing(() => fleetd([], values));
    expect(result.exitCode).toBe(1);
    const lines = result.stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(Object.keys(values).length);
    for (const [variable, value] of Object.entries(values)) {
      const line = lines.find((candidate) => candidate.includes(variable));
      expect(line).toContain(`${JSON.stringify(value)} is not accepted: expected `);
    }
  });

  it.each<[what: string, env: NodeJS.ProcessEnv, says: string]>([
    ["a user without password", { FLEET_ETCD_USERNAME: "root" }, "etcd_password: must be set"],
    ["a file that is missing", { FLEET_ETCD_CAFILE: "/nowhere/ca.pem" }, "/nowhere/ca.pem"],
    ["a socket below a file", { FLEET_LISTEN: "unix:///etc/hostname/fleet.sock" }, "/etc/hostname"],
  ])("%s", async (_what, env, says) => {
    const result = await changingNothing(() => fleetd([], env));
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(says) });
  });

  it("the units directory or the socket of a fleetd that runs", async () => {
    const { machine, socketPath } = lab.machine("m1");
    const sameUnits = await changingNothing(() =>
      fleetd([], { FLEET_UNITS_DIRECTORY: machine.unitsDirectory }),
    );
    expect(sameUnits).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("another fleetd") });
    const sameSocket = await changingNothing(() => fleetd([], { FLEET_LISTEN: `unix://${socketPath}` }));
    expect(sameSocket).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(socketPath) });
  });

  it("a file with values that are not accepted names each of them, and the file", async () => {
    const path = join(lab.machine("m1").machine.path, "fleet.conf");
    writeFileSync(path, "etcd_request_timeout=never\ntoken_limit=many\n");
    const result = await changingNothing(() => fleetd(["--config", path]));
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(`etcd_request_timeout (from ${path}): "never" is not accepted`);
    expect(result.stderr).toContain(`token_limit (from ${path}): "many" is not accepted`);
  });

  it.each<[args: readonly string[], exitCode: number, says: string]>([
    [["--config", "/nowhere/fleet.conf"], 1, "/nowhere/fleet.conf"],
    [["--config", "/etc"], 1, "/etc"],
    [["--config"], 2, "--config"],
    [["--nope"], 2, "--nope"],
    [["start"], 2, "start"],
  ])("fleetd %s", async (args, exitCode, says) => {
    const result = await changingNothing(() => fleetd(args));
    expect(result).toMatchObject({ exitCode, stderr: expect.stringContaining(says) });
  });
});

describe("an address where no etcd is", () => {
  it("fleetd says so, the API 503, fleetctl what to check; and all is well once etcd comes", async () => {
    await changingNothing(async () => undefined);
    const machine = lab.machine("m1");
    const [address = ""] = lab.cluster.etcd.endpoints;
    const pid = await lab.mainPid(VICTIM, "m1");
    await machine.killFleetd();
    await lab.cluster.etcd.stop();
    const logged = machine.logTail(1);

    await machine.startFleetd({ env: { FLEET_ETCD_SERVERS: address } });
    expect(await machine.request({ path: "/fleet/v1/machines" })).toMatchObject({
      status: 503,
      body: { error: { code: 503, message: "fleet server unable to communicate with etcd" } },
    });
    for (const args of [["list-machines"], ["list-units"], ["start", VICTIM]]) {
      const result = await lab.fleetctl(...args);
      expect(result).toMatchObject({ exitCode: 1, stdout: "" });
      expect(result.stderr).toContain("fleet server unable to communicate with etcd");
      expect(result.stderr).toContain("Check that etcd is up and that etcd_servers in fleet.conf names it.");
    }
    const log =
      machine
        .logTail(100)
        .split(logged.split("\n").at(-1) ?? "")
        .at(-1) ?? "";
    expect(log).toContain(`code=etcd_unavailable message="etcd at ${address}: `);
    expect(await lab.mainPid(VICTIM, "m1")).toBe(pid);

    await lab.cluster.etcd.restart();
    await lab.untilActive([`${VICTIM} m1`], 5_000);
    await lab.start({ "after.service": serviceText() });
    expect(await lab.mainPid(VICTIM, "m1")).toBe(pid);
  });
});
