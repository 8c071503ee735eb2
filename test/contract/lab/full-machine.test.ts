import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type FullMachine,
  LabDirectory,
  LabNetwork,
  LabSsh,
  programOf,
  startFullMachine,
  waitFor,
} from "@fleet/lab";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeFullMachines } from "../../full-machines.ts";

const CHECKOUT = join(programOf("fleetd"), "../../..");
/** Where systemd-nspawn keeps its locks, unless it is told otherwise. */
const NSPAWN_DIRECTORY = "/run/systemd/nspawn";
const NSPAWN_IN_USE = existsSync(NSPAWN_DIRECTORY);

/** What full machines need of a lab, without etcd. */
class Lab {
  readonly directory: LabDirectory;
  readonly network: LabNetwork;
  readonly ssh: LabSsh;

  private constructor(directory: LabDirectory, network: LabNetwork, ssh: LabSsh) {
    this.directory = directory;
    this.network = network;
    this.ssh = ssh;
  }

  static async create(): Promise<Lab> {
    const directory = LabDirectory.create();
    return new Lab(directory, await LabNetwork.create(directory), await LabSsh.start(directory));
  }

  boot(name: string): Promise<FullMachine> {
    const { directory, network, ssh } = this;
    return startFullMachine({ directory, network, ssh, checkout: CHECKOUT, name });
  }

  /** What the host has of it. Control groups stand for processes: a group with one in it cannot be removed. */
  traces(): readonly string[] {
    const { bridge, controlGroup, path } = this.directory;
    const groups = readdirSync("/sys/fs/cgroup", { recursive: true, encoding: "utf8" });
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    return [
      ...readdirSync("/sys/class/net").filter((name) => name === bridge),
      ...groups.filter((group) => group.endsWith(controlGroup)),
      ...mounts.filter((mount) => mount.includes(path)),
      ...[path, ...(NSPAWN_IN_USE ? [] : [NSPAWN_DIRECTORY])].filter(existsSync),
    ];
  }
}

async function output(machine: FullMachine, script: string): Promise<string> {
  const { stdout, stderr } = await machine.run(["sh", "-c", script]);
  return `${stdout}${stderr}`.trim();
}

function hostKeyOf(lab: Lab, machine: FullMachine): Promise<string> {
  return lab.ssh
    .run(machine.address, ["cat", "/etc/ssh/lab_host_key.pub"])
    .then(({ stdout }) => stdout.trim());
}

/** Whether a machine answers another's ssh within two seconds, through the network of both. */
async function reaches(from: FullMachine, to: FullMachine): Promise<boolean> {
  const command = ["timeout", "2", "bash", "-c", `exec 3<>/dev/tcp/${to.address}/22; head -c 4 <&3`];
  return (await from.run(command)).stdout === "SSH-";
}

describeFullMachines("a full machine", () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await Lab.create();
  });
  afterEach(async () => {
    await lab.directory.remove();
  });

  it("is a machine of its own: systemd as PID 1, network, system bus, journal, all in order", async () => {
    const machine = await lab.boot("m1");
    expect(await output(machine, "cat /etc/machine-id; hostname; cat /proc/1/comm")).toBe(
      `${machine.machineId}\nm1\nsystemd`,
    );
    expect(await output(machine, "ip -4 -brief address show host0")).toContain(`${machine.address}/24`);
    expect(await output(machine, "busctl --system status >/dev/null && echo bus")).toBe("bus");
    expect(await output(machine, "logger -t lab hello; journalctl --sync; journalctl -t lab -o cat")).toBe(
      "hello",
    );
    expect(await output(machine, "systemctl is-system-running; systemctl --failed --no-legend")).toBe(
      "running",
    );
    // None of the host's own services, whatever is installed there.
    expect(await output(machine, "systemctl is-active etcd.service ssh.service cron.service")).not.toMatch(
      /^active/m,
    );
  });

  it("lets the lab's key in over the network, as a user who may look and act", async () => {
    const machine = await lab.boot("m1");
    const over = (script: string) => lab.ssh.run(machine.address, [script]);
    expect(await over("id -un; exit 7")).toMatchObject({ stdout: "core\n", exitCode: 7 });
    expect(await over("sudo -n systemctl is-active dbus.service")).toMatchObject({ stdout: "active\n" });
    expect(await over("journalctl -u lab-sshd.service -o cat | grep -c listening")).toMatchObject({
      exitCode: 0,
    });
    expect(await over("sudo -n sh -c true")).not.toMatchObject({ exitCode: 0 });
    expect(await over("fleetctl version")).toMatchObject({ exitCode: 0 });
  });

  it("has a host key of its own, and another one when told to", async () => {
    const [first, second] = await Promise.all([lab.boot("m1"), lab.boot("m2")]);
    const keys = [await hostKeyOf(lab, first), await hostKeyOf(lab, second)];
    await first.changeHostKey();
    keys.push(await hostKeyOf(lab, first));
    expect(keys.every((key) => key.startsWith("ssh-ed25519 "))).toBe(true);
    expect(new Set(keys).size).toBe(3);
  });

  it("loses everything but its disk in a power cut", async () => {
    const machine = await lab.boot("m1");
    await output(
      machine,
      "echo kept >/etc/kept; echo lost >/run/lost; systemd-run -u sleeper sleep infinity",
    );
    expect(await output(machine, "systemctl is-active sleeper.service")).toBe("active");
    await machine.kill();
    expect(machine.running).toBe(false);
    await expect(async () => machine.run(["true"])).rejects.toThrow("m1 is down");
    await machine.boot();
    expect(await output(machine, "cat /etc/kept; ls /run/lost; systemctl is-active sleeper.service")).toMatch(
      /^kept\ninactive\nls: .*\/run\/lost.*$/,
    );
    expect(existsSync("/etc/kept")).toBe(false);
  });

  it("goes down in order when told to, and comes back when it reboots itself", async () => {
    const machine = await lab.boot("m1");
    await output(machine, "systemd-run -u orderly -p ExecStop='touch /etc/stopped' sleep infinity");
    await machine.powerOff();
    expect(machine.running).toBe(false);
    await machine.boot();
    expect(await output(machine, "ls /etc/stopped")).toBe("/etc/stopped");
    // Over ssh: what the host itself runs inside holds a shutdown up.
    const bootId = async () =>
      (await lab.ssh.run(machine.address, ["cat", "/proc/sys/kernel/random/boot_id"])).stdout;
    const before = await bootId();
    expect(before).not.toBe("");
    await machine.systemctl("--no-block", "reboot");
    await waitFor({
      what: "the machine to be up again",
      probe: bootId,
      until: (boot) => boot !== before && boot !== "",
      timeoutMs: 30_000,
    });
    expect(machine.running).toBe(true);
  });

  it("is reached by nobody, and reaches nobody, while its cable is out", async () => {
    const [first, second] = await Promise.all([lab.boot("m1"), lab.boot("m2")]);
    expect([await reaches(first, second), await reaches(second, first)]).toEqual([true, true]);
    await first.unplug();
    expect([await reaches(first, second), await reaches(second, first)]).toEqual([false, false]);
    await first.plugIn();
    await expect.poll(() => reaches(first, second), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => reaches(second, first), { timeout: 10_000 }).toBe(true);
  });

  it("does not take the others off the network by coming and going", async () => {
    const address = (): string => readFileSync(`/sys/class/net/${lab.directory.bridge}/address`, "utf8");
    const before = address();
    const machine = await lab.boot("m1");
    expect(address()).toBe(before);
    await machine.kill();
    expect(address()).toBe(before);
  });

  it("shares no address with one of another lab, and neither leaves anything behind", async () => {
    const other = await Lab.create();
    try {
      const machines = await Promise.all([lab.boot("m1"), other.boot("m1")]);
      expect(machines[0].address).not.toBe(machines[1].address);
      expect(await other.ssh.run(machines[1].address, ["hostname"])).toMatchObject({ stdout: "m1\n" });
      // The other lab's key is no key here.
      expect(await other.ssh.run(machines[0].address, ["hostname"])).not.toMatchObject({ exitCode: 0 });
      expect(lab.traces().length).toBeGreaterThan(2);
    } finally {
      await other.directory.remove();
    }
    await lab.directory.remove();
    expect([...lab.traces(), ...other.traces()]).toEqual([]);
  });
});
