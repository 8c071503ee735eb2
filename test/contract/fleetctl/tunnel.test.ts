import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { options } from "./fleet-shell.ts";
import { OneMachineCluster } from "./one-machine-cluster.ts";
import { gone, until, useRemoteShell } from "./remote-shell.ts";

const here = useRemoteShell();

/** Every ssh that was started has ended. */
async function allGone(): Promise<void> {
  for (const { pid } of await here.sshCalls()) await gone(pid);
}

describe("through --tunnel", () => {
  it("a TCP endpoint is reached, by one ssh for many requests", async () => {
    for (const name of ["a.service", "b.service", "c.service"]) here.fleet.add(name, options(), "loaded");
    const { code, stdout, stderr } = await here.run(["--tunnel=ops@gate:2222", "unload", "a", "b", "c"]);
    expect([code, stderr]).toEqual([0, "Successfully unloaded units [a.service b.service c.service].\n"]);
    expect(stdout.split("\n").sort().slice(1)).toEqual(
      ["a", "b", "c"].map((name) => `Unit ${name}.service inactive`),
    );
    const calls = await here.sshCalls();
    // The second is for the stream, which a fleet 1.0 does not have.
    expect(calls.length).toBeLessThanOrEqual(2);
    const port = new URL(here.endpoint).port;
    expect(calls[0]?.args.join(" ")).toMatch(
      new RegExp(`^-l ops -o ConnectTimeout=10 .* -p 2222 -T -a -x .* -W 127\\.0\\.0\\.1:${port} -- gate$`),
    );
    await allGone();
  });

  it("a socket is reached by fd-forward on the other side, the stream as well", async () => {
    const cluster = await OneMachineCluster.start();
    const path = join(here.home, "a.service");
    await writeFile(path, "[Service]\nExecStart=/bin/sleep infinity\n");
    const { code, stdout, stderr } = await here.run(["--tunnel", "gate", "start", path], {
      endpoint: cluster.endpoint,
    });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe("Unit a.service inactive\nUnit a.service launched on 0acdd9bf.../10.0.2.15\n");
    expect(cluster.streams).toBe(1);
    const calls = await here.sshCalls();
    expect(calls).toHaveLength(2);
    for (const { args } of calls) {
      expect(args.slice(-3)).toEqual([
        "--",
        "gate",
        `fleetctl fd-forward ${cluster.endpoint.slice("unix://".length)}`,
      ]);
    }
    await allGone();
    await cluster.close();
  });

  it("setting it up takes nothing from --request-timeout", async () => {
    // The fake takes 0.6 s before it connects.
    const { code, stderr } = await here.run(["--tunnel=gate", "--request-timeout=0.4", "list-machines"], {
      environment: { FAKE_SSH: "slow" },
    });
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("the environment says the same as the flags", async () => {
    const environment = { FLEETCTL_TUNNEL: "gate", FLEETCTL_SSH_USERNAME: "root" };
    expect((await here.run(["list-machines"], { environment })).code).toBe(0);
    expect((await here.sshCalls())[0]?.args.slice(0, 2)).toEqual(["-l", "root"]);
  });

  it("the next endpoint is tried, too", async () => {
    const endpoint = `http://127.0.0.1:1,${here.endpoint}`;
    const { code, stderr } = await here.run(["--tunnel=gate", "list-machines"], { endpoint });
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^WARNING: http:\/\/127\.0\.0\.1:1 cannot be reached \(no tunnel through core@gate: /,
    );
  });

  it("--debug shows ssh's command line", async () => {
    const { stderr } = await here.run(["--tunnel=gate", "--debug", "list-machines"]);
    expect(stderr).toMatch(/^Tunnel: ssh -l core .* -- gate$/m);
  });
});

describe("a tunnel that cannot be had", () => {
  it("is told with what ssh said and what to do, once for all requests", async () => {
    const { code, stdout, stderr } = await here.run(["--tunnel=gate", "stop", "a", "b", "c", "d"], {
      environment: {
        FAKE_SSH: "fail",
        FAKE_SSH_STDERR: "core@gate: Permission denied (publickey).\r\n",
      },
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "Error retrieving list of units from fleet API " +
        "(no tunnel through core@gate: ssh failed with exit code 255)\n" +
        "  core@gate: Permission denied (publickey).\n" +
        '  gate lets core in with none of your keys: "ssh-add -l" shows those of the agent.\n' +
        "  Another user is chosen with --ssh-username or FLEETCTL_SSH_USERNAME.\n",
    );
    expect(await here.sshCalls()).toHaveLength(1);
  });

  it("for want of a daemon at the endpoint says whose view counts", async () => {
    const { code, stderr } = await here.run(["--tunnel=gate", "list-machines"], {
      endpoint: "http://127.0.0.1:1",
    });
    expect(code).toBe(1);
    expect(stderr).toContain("stdio forwarding failed");
    expect(stderr).toContain("An address in --endpoint is meant as the host of --tunnel sees it.");
  });

  it("for want of a socket there passes on what fd-forward says", async () => {
    const endpoint = `unix://${here.home}/none.sock`;
    const { code, stderr } = await here.run(["--tunnel=gate", "list-machines"], { endpoint });
    expect(code).toBe(1);
    expect(stderr).toContain("fleetctl fd-forward there failed with exit code 1");
    expect(stderr).toContain(`cannot connect to ${here.home}/none.sock`);
  });

  it("for want of fleetctl there says so", async () => {
    await here.script("fleetctl", "exit 127");
    const endpoint = `unix://${here.home}/none.sock`;
    const { code, stderr } = await here.run(["--tunnel=gate", "list-machines"], { endpoint });
    expect(code).toBe(1);
    expect(stderr).toContain("no tunnel through core@gate: no fleetctl there");
    expect(stderr).toContain("--endpoint=http://127.0.0.1:49153");
  });

  it("for want of ssh says so", async () => {
    const { code, stderr } = await here.run(["--tunnel=gate", "list-machines"], {
      environment: { PATH: here.home },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("ssh cannot be run: it is not installed, or not in PATH");
  });
});

describe("a tunnel that comes to nothing", () => {
  it("is waited for with a word about it", async () => {
    const args = ["--tunnel=gate", "--ssh-timeout=0.5", "list-machines"];
    const child = here.spawn(args, { environment: { FAKE_SSH: "hang" } });
    const [said] = await once(child.stderr, "data");
    expect(String(said)).toContain("Still waiting for an answer through core@gate: ssh may be asking");
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([143, null]);
    await allGone();
  });
});

describe("ssh ends with fleetctl", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("that %s ends while ssh connects", async (signal) => {
    const child = here.spawn(["--tunnel=gate", "list-machines"], { environment: { FAKE_SSH: "hang" } });
    await until(async () => (await here.sshCalls()).length === 1);
    child.kill(signal);
    const expected = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
    expect(await once(child, "exit")).toEqual([expected, null]);
    await allGone();
  });

  it("that does not wait for an ssh that will not end", async () => {
    await here.script(
      "ssh",
      `echo $$ > ${here.home}/pid; trap 'echo told > ${here.home}/told' TERM; while :; do sleep 0.1; done`,
    );
    const child = here.spawn(["--tunnel=gate", "list-machines"]);
    const pid = async (): Promise<number> => Number(await here.read("pid"));
    await until(async () => (await pid()) > 0);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([143, null]);
    await gone(await pid());
    expect(await here.read("told")).toBe("told\n");
  });

  it("that is killed while it waits", async () => {
    here.fleet.placesNothing = true;
    here.fleet.add("a.service", options(), "inactive");
    const child = here.spawn(["--tunnel=gate", "start", "a"]);
    await once(child.stderr, "data");
    expect((await here.sshCalls()).length).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await allGone();
  });
});
