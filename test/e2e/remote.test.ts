import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type CommandResult, programOf } from "@fleet/lab";
import { beforeEach, expect, it } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const SOCKET = "unix:///var/run/fleet.sock";

/** Says something each tenth of a second. */
const talker = serviceText({
  service: ["ExecStart=/bin/sh -c 'while :; do echo tick $(date +%%s%%N); sleep 0.1; done'"],
});

/** Command lines of processes, those on full machines included, with all of these texts in them. */
async function running(...texts: readonly string[]): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines
    .map((line) => line.replaceAll("\0", " "))
    .filter((line) => texts.every((text) => line.includes(text)));
}

describeFullMachines("fleetctl over ssh", () => {
  /** Their ids begin with 1 and 2. */
  const lab = useLabCluster({ machines: [{ kind: "full" }, { kind: "full" }] });

  /** The lab's ssh agent, and a home directory in which fleetctl keeps the host keys. */
  function environment(): NodeJS.ProcessEnv {
    return lab.machine("m1").full.ssh.environment;
  }

  function fleetctl(...args: readonly string[]): Promise<CommandResult> {
    return lab.cluster.fleetctl(args, { env: environment() });
  }

  function knownHosts(): string {
    return join(environment().HOME ?? "", ".fleetctl", "known_hosts");
  }

  function address(name: string): string {
    return lab.machine(name).full.address;
  }

  async function learnHostKeys(): Promise<void> {
    const { stdout } = await promisify(execFile)("ssh-keyscan", [address("m1"), address("m2")]);
    await mkdir(join(knownHosts(), ".."), { recursive: true });
    await writeFile(knownHosts(), stdout);
  }

  beforeEach(learnHostKeys);

  it("runs commands on machines, found by the beginning of their id or by a unit", async () => {
    await lab.start({ "a.service": serviceText(), "b.service": serviceText() });
    expect(await lab.placements()).toEqual({ "a.service": "m1", "b.service": "m2" });
    for (const [word, name] of [
      ["1", "m1"],
      ["22222", "m2"],
      ["a", "m1"],
      ["b.service", "m2"],
    ] as const) {
      expect(await fleetctl("ssh", word, "hostname")).toMatchObject({
        stdout: `${name}\n`,
        stderr: "",
        exitCode: 0,
      });
    }
    expect((await fleetctl("ssh", "a", "id", "-un")).stdout).toBe("core\n");
    expect((await fleetctl("ssh", "nope", "true")).exitCode).toBe(1);
  });

  it("passes the command's exit code on, and says so when ssh itself has failed", async () => {
    expect((await fleetctl("ssh", "1", "exit", "42")).exitCode).toBe(42);
    expect((await fleetctl("ssh", "1", "no-such-program")).exitCode).toBe(127);
    const refused = await fleetctl("ssh", "--ssh-port=1", "1", "true");
    expect(refused.exitCode).toBe(255);
    expect(refused.stderr).toContain(`Is sshd up at ${address("m1")}, port 1?`);
    const stranger = await fleetctl("--ssh-username=nobody", "ssh", "1", "true");
    expect(stranger.exitCode).toBe(255);
    expect(stranger.stderr).toContain("lets nobody in with none of your keys");
  });

  it("shows the status of units on several machines", async () => {
    await lab.start({ "a.service": serviceText(), "b.service": serviceText() });
    const both = await fleetctl("status", "a", "b");
    expect(both.exitCode).toBe(0);
    expect(both.stdout).toMatch(
      /^● a\.service[\s\S]*Active: active \(running\)[\s\S]*\n\n● b\.service[\s\S]*Active: active/,
    );
    await lab.fleetctlOk("stop", "b");
    const stopped = await fleetctl("status", "b", "a");
    expect(stopped.exitCode).toBe(3);
    expect(stopped.stdout).toContain("Active: inactive (dead)");
    expect(stopped.stdout).toContain("Active: active (running)");
  });

  it("prints the journal, and follows it until Ctrl-C", async () => {
    await lab.start({ "talker.service": talker });
    await expect
      .poll(async () => (await fleetctl("journal", "--lines=2", "--output=cat", "talker")).stdout, {
        timeout: 10_000,
      })
      .toMatch(/^tick \d+\ntick \d+\n$/);
    expect((await fleetctl("journal", "--sudo", "--lines=1", "--output=cat", "talker")).stdout).toMatch(
      /^tick/,
    );

    const child = spawn(programOf("fleetctl"), ["journal", "-f", "--lines=1", "--output=cat", "talker"], {
      env: {
        ...process.env,
        ...environment(),
        FLEETCTL_ENDPOINT: lab.machine("m1").endpoint,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let lines = "";
    let said = "";
    child.stdout.on("data", (text) => (lines += String(text)));
    child.stderr.on("data", (text) => (said += String(text)));
    // More than the one line that there was: new ones arrive.
    await expect.poll(() => lines.split("\n").length, { timeout: 10_000 }).toBeGreaterThan(4);
    expect(await running("journalctl --unit talker")).not.toEqual([]);
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([130, null]);
    expect(said).toBe("");
    // On the machine it ends as well, with its next line at the latest.
    await expect.poll(() => running("journalctl --unit talker"), { timeout: 10_000 }).toEqual([]);
  });

  it.each([
    ["a socket", () => SOCKET],
    ["a TCP endpoint that only the tunnel's host need reach", () => lab.machine("m2").full.apiUrl],
  ])("reaches %s through a tunnel", async (_what, endpoint) => {
    const tunnelled = (...args: readonly string[]) =>
      fleetctl("--tunnel", address("m1"), "--endpoint", endpoint(), ...args);
    const listed = await tunnelled("list-machines", "--full", "--no-legend", "--fields=machine");
    expect(listed).toMatchObject({
      stdout: `${lab.machine("m1").id}\n${lab.machine("m2").id}\n`,
      stderr: "",
      exitCode: 0,
    });
    const [path = ""] = lab.unitFiles({
      "late.service": serviceText({
        service: ["ExecStartPre=/bin/sleep 1", "ExecStart=/bin/sleep infinity"],
      }),
    });
    const started = await tunnelled("start", path);
    expect(started).toMatchObject({ stderr: "", exitCode: 0 });
    expect(started.stdout).toContain(`Unit late.service launched on 11111111.../${address("m1")}\n`);
    expect(await lab.activeState("late.service", "m1")).toBe("active");
    expect((await tunnelled("ssh", "2", "hostname")).stdout).toBe("m2\n");
    expect((await tunnelled("status", "late")).stdout).toContain("Active: active (running)");
    await expect.poll(() => running("ssh -l ", address("m1"))).toEqual([]);
  });

  it("says what a tunnel lacks", async () => {
    const nobody = await fleetctl(
      "--tunnel",
      address("m1"),
      "--endpoint=http://127.0.0.1:1",
      "list-machines",
    );
    expect(nobody.exitCode).toBe(1);
    expect(nobody.stderr).toContain("open failed: connect failed: Connection refused");
    const none = await fleetctl(
      "--tunnel",
      address("m1"),
      "--endpoint=unix:///run/none.sock",
      "list-machines",
    );
    expect(none.exitCode).toBe(1);
    expect(none.stderr).toContain("fd-forward: cannot connect to /run/none.sock");
  });

  it("refuses a host key that has changed, and without the check accepts it", async () => {
    await lab.machine("m2").full.changeHostKey();
    const before = await readFile(knownHosts(), "utf8");
    const line = 1 + before.split("\n").findIndex((each) => each.startsWith(`${address("m2")} ssh-ed25519`));
    const refused = await fleetctl("ssh", "2", "true");
    expect(refused.exitCode).toBe(255);
    expect(refused.stderr).toContain(
      `The host key of ${address("m2")} is not the one in ${knownHosts()}, line ${line}:`,
    );
    const remedy = `ssh-keygen -f ${knownHosts()} -R ${address("m2")}`;
    expect(refused.stderr).toContain(`remove the old key: ${remedy}`);
    const throughIt = await fleetctl("--tunnel", address("m2"), "--endpoint", SOCKET, "list-machines");
    expect(throughIt.exitCode).toBe(1);
    expect(throughIt.stderr).toContain(`remove the old key: ${remedy}`);

    const unchecked = ["--strict-host-key-checking=false"] as const;
    expect(await fleetctl(...unchecked, "ssh", "2", "hostname")).toMatchObject({
      stdout: "m2\n",
      stderr: "",
      exitCode: 0,
    });
    const listed = await fleetctl(
      ...unchecked,
      "--tunnel",
      address("m2"),
      "--endpoint",
      SOCKET,
      "list-machines",
    );
    expect(listed).toMatchObject({ stderr: "", exitCode: 0 });
    expect(await readFile(knownHosts(), "utf8")).toBe(before);

    // The remedy helps: the host is then an unknown one, whose key can be learnt.
    await promisify(execFile)("sh", ["-c", remedy]);
    const unknown = await fleetctl("ssh", "2", "true");
    expect([unknown.exitCode, unknown.stderr]).toEqual([
      255,
      expect.stringContaining(`ssh-keyscan ${address("m2")} >> `),
    ]);
    await learnHostKeys();
    expect((await fleetctl("ssh", "2", "hostname")).stdout).toBe("m2\n");
  });

  it("asks about an unknown key on a terminal, keeps it, and opens a shell with a terminal", async () => {
    await writeFile(knownHosts(), "");
    // script gives a terminal to what it runs.
    const child = spawn("script", ["-qec", `${programOf("fleetctl")} ssh 1`, "/dev/null"], {
      env: { ...process.env, ...environment(), FLEETCTL_ENDPOINT: lab.machine("m1").endpoint },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    let shown = "";
    child.stdout.on("data", (text) => (shown += String(text)));
    await expect.poll(() => shown, { timeout: 10_000 }).toContain("(yes/no");
    child.stdin.write("yes\n");
    await expect.poll(() => shown, { timeout: 10_000 }).toMatch(/core@m1.*\$ $/);
    child.stdin.write("tty; exit 3\n");
    expect(await ended).toEqual([3, null]);
    expect(shown).toContain("/dev/pts/");
    // Debian has the host hashed.
    expect(await readFile(knownHosts(), "utf8")).toMatch(/^\S+ ssh-ed25519 /);
    expect((await fleetctl("ssh", "1", "hostname")).stdout).toBe("m1\n");
  });

  it("counts the keys in the user's own known_hosts, unless a file is named", async () => {
    const m1 = lab.machine("m1");
    const fromM1 = async (...args: readonly string[]) => (await m1.run(["fleetctl", ...args])).stderr;
    expect(await fromM1("ssh", "2", "true")).toContain("Host key verification failed");
    await m1.run([
      "sh",
      "-c",
      `mkdir -p /root/.ssh && ssh-keyscan ${address("m2")} > /root/.ssh/known_hosts`,
    ]);
    // The host is known now: what is wanting is a key of the user's.
    expect(await fromM1("ssh", "2", "true")).toContain("Permission denied");
    const named = "--known-hosts-file=/root/elsewhere/hosts";
    expect(await fromM1(named, "ssh", "2", "true")).toContain("Host key verification failed");
  });

  it("needs no ssh on the machine itself", async () => {
    await lab.start({ "a.service": serviceText() });
    const here = (...args: readonly string[]) => lab.machine("m1").run(["fleetctl", "--debug", ...args]);
    const status = await here("status", "a");
    expect(status).toMatchObject({ stderr: "Running: systemctl status -l a.service\n", exitCode: 0 });
    expect(status.stdout).toContain("Active: active (running)");
    expect(await here("ssh", "a", "hostname; exit 4")).toMatchObject({ stdout: "m1\n", exitCode: 4 });
    expect((await here("journal", "a")).stderr).toMatch(/^Running: journalctl --unit a\.service /);
  });
});
