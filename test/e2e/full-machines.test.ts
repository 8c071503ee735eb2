import { existsSync } from "node:fs";
import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { describeFullMachines } from "../full-machines.ts";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

/** Long enough that leaving in order, and being started again, cannot be taken for being lost. */
const AGENT_TTL_MS = 8_000;
/** A lost machine's units run elsewhere within agent_ttl and this. */
const AFTER_TTL_MS = 1_500;

describeFullMachines("fleetd on full machines", () => {
  /** Two full machines, m1 and m2, and a light one. Units go to m1 first, then to m2, then to m3. */
  const lab = useLabCluster({
    machines: [{ kind: "full" }, { kind: "full" }, { kind: "light" }],
    agentTtlMs: AGENT_TTL_MS,
  });

  /** What a shell on a machine prints. */
  async function output(machine: ClusterMachine, script: string): Promise<string> {
    const { stdout, stderr } = await machine.run(["sh", "-c", script]);
    return `${stdout}${stderr}`.trim();
  }

  /** Properties of a machine's fleet.service, one per line, in systemd's order. */
  function ofService(machine: ClusterMachine, ...properties: readonly string[]): Promise<string> {
    const flags = properties.map((property) => `-p ${property}`).join(" ");
    return output(machine, `systemctl show ${flags} fleet.service`);
  }

  async function presentMachines(): Promise<readonly string[]> {
    const machines = await lab.cluster.listedMachines(lab.machine("m3"));
    return machines.map(({ id }) => lab.machine(id).name).sort();
  }

  async function untilPresent(expected: readonly string[], timeoutMs: number): Promise<number> {
    const { ms } = await lab.cluster.waitFor({
      what: `the cluster to list ${expected.join(", ")}`,
      probe: presentMachines,
      until: (names) => names.join() === expected.join(),
      timeoutMs,
    });
    return ms;
  }

  /** Waits until a machine's fleetd, started by whomever, is up and another process than this one. */
  async function untilRestarted(machine: ClusterMachine, oldPid: number | undefined): Promise<void> {
    await lab.cluster.waitFor({
      what: `a new fleetd on ${machine.name}`,
      probe: async () => [machine.fleetdPid, await ofService(machine, "ActiveState")],
      until: ([pid, state]) => pid !== undefined && pid !== oldPid && state === "ActiveState=active",
      timeoutMs: 15_000,
    });
  }

  it("starts units in the system's own systemd, which stays in order", async () => {
    await lab.start({ "a.service": serviceText(), "b.service": serviceText(), "c.service": serviceText() });
    await lab.untilActive(["a.service m1", "b.service m2", "c.service m3"]);
    for (const [unit, name] of [
      ["a.service", "m1"],
      ["b.service", "m2"],
    ] as const) {
      const machine = lab.machine(name);
      expect(await lab.activeState(unit, name)).toBe("active");
      expect(await output(machine, `systemctl show -P ControlGroup ${unit}`)).toBe(`/system.slice/${unit}`);
      expect(await output(machine, `cat /proc/$(systemctl show -P MainPID ${unit})/comm`)).toBe("sleep");
      expect(await output(machine, "systemctl is-system-running")).toBe("running");
      expect(lab.hasUnitFile(unit, name)).toBe(true);
    }
    await lab.fleetctlOk("destroy", "a.service", "b.service", "c.service");
    // Nothing of fleet's is left in systemd's directories, where units directories only have links.
    for (const name of ["m1", "m2"]) {
      await expect
        .poll(() => output(lab.machine(name), "find /run/systemd/system /run/fleet/units -name '[abc].*'"))
        .toBe("");
    }
  });

  it("gives units what only the system's systemd has: users, limits, directories, timers", async () => {
    const [rich = "", tick = "", timer = ""] = lab.unitFiles({
      "rich.service": serviceText({
        service: [
          "DynamicUser=yes",
          "RuntimeDirectory=rich",
          "LimitNOFILE=1234",
          "ExecStart=/bin/sh -c 'id -u > /run/rich/uid; ulimit -n > /run/rich/files; exec sleep infinity'",
        ],
      }),
      "tick.service": serviceText({
        service: ["Type=oneshot", "ExecStart=/bin/touch /run/ticked"],
        xFleet: ["MachineOf=rich.service"],
      }),
      "tick.timer": "[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\n\n[X-Fleet]\nMachineOf=rich.service\n",
    });
    await lab.fleetctlOk("start", rich);
    await lab.fleetctlOk("load", tick);
    await lab.fleetctlOk("start", timer);
    const { "rich.service": name = "" } = await lab.placements();
    const machine = lab.machine(name);
    expect(machine.machine.kind).toBe("full");
    await expect.poll(() => output(machine, "cat /run/rich/files"), { timeout: 10_000 }).toBe("1234");
    expect(Number(await output(machine, "cat /run/rich/uid"))).toBeGreaterThan(60_000);
    await expect.poll(() => output(machine, "ls /run/ticked"), { timeout: 10_000 }).toBe("/run/ticked");
  });

  it("is reached by ssh at the address that the cluster lists, where fleetctl runs without being told a thing", async () => {
    const listed = await lab.cluster.listedMachines();
    for (const name of ["m1", "m2"]) {
      const { full, id } = lab.machine(name);
      const address = listed.find((machine) => machine.id === id)?.primaryIP ?? "";
      expect(await full.ssh.run(address, ["hostname"])).toMatchObject({ stdout: `${name}\n`, exitCode: 0 });
      const { stdout } = await full.ssh.run(address, ["fleetctl", "list-machines", "--full", "--no-legend"]);
      expect(stdout.trim().split("\n")).toHaveLength(3);
    }
    const { full } = lab.machine("m1");
    const response = await fetch(`${full.apiUrl}/fleet/v1/machines`);
    expect(response.status).toBe(200);
  });

  it("that loses power has its units run elsewhere, and comes back for new ones", async () => {
    await lab.start({ "a.service": serviceText(), "b.service": serviceText(), "c.service": serviceText() });
    await lab.untilActive(["a.service m1", "b.service m2", "c.service m3"]);
    const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
    const lost = (await lab.leader()) === m1 ? m2 : m1;
    const unit = lost === m1 ? "a.service" : "b.service";
    await lost.kill();
    const { ms } = await lab.cluster.waitFor({
      what: `${unit} to run elsewhere`,
      probe: async () => (await lab.cluster.states(lab.machine("m3"))).find(({ name }) => name === unit),
      until: (state) => state?.machineID !== lost.id && state?.systemdActiveState === "active",
      timeoutMs: 4 * AGENT_TTL_MS,
    });
    expect(ms).toBeLessThan(AGENT_TTL_MS + AFTER_TTL_MS);
    await lost.reboot();
    await untilPresent(["m1", "m2", "m3"], 15_000);
    expect(await output(lost, "systemctl is-system-running")).toBe("running");
    await lab.start({ "d.service": serviceText() });
    expect((await lab.placements())["d.service"]).toBe(lost.name);
    expect(await lab.machinesRunning(unit)).not.toContain(lost.name);
  });

  it("leaves in order when systemd stops fleet.service: ExecStop to its end, then elsewhere, exit code 0", async () => {
    const m1 = lab.machine("m1");
    await lab.start({ "slow.service": lab.recordingService({ stopSeconds: 1 }) });
    await lab.untilActive(["slow.service m1"]);
    const stopped = await m1.run(["systemctl", "stop", "fleet.socket", "fleet.service"]);
    expect(stopped).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await ofService(m1, "Result", "ExecMainCode", "ExecMainStatus", "ActiveState")).toBe(
      "Result=success\nExecMainCode=1\nExecMainStatus=0\nActiveState=inactive",
    );
    expect(await presentMachines()).toEqual(["m2", "m3"]);
    await lab.untilEvents("slow.service", 4);
    expect(lab.history("slow.service")).toEqual([
      "m1 start",
      "m1 stopping",
      "m1 stopped with file",
      "m2 start",
    ]);
    expect(lab.hasUnitFile("slow.service", "m1")).toBe(false);
  });

  it("leaves in order when the machine is shut down, before its network goes", async () => {
    const m1 = lab.machine("m1");
    await lab.start({ "slow.service": lab.recordingService({ stopSeconds: 1 }) });
    await lab.untilActive(["slow.service m1"]);
    const offAt = performance.now();
    await m1.full.powerOff();
    // Were it lost instead of gone, the cluster would list it for an agent_ttl.
    await untilPresent(["m2", "m3"], AGENT_TTL_MS);
    expect(performance.now() - offAt).toBeLessThan(AGENT_TTL_MS);
    await lab.untilEvents("slow.service", 4);
    expect(lab.history("slow.service").map((event) => event.replace(/ with(out)? file/, ""))).toEqual([
      "m1 start",
      "m1 stopping",
      "m1 stopped",
      "m2 start",
    ]);
  });

  it("is up as soon as systemd says so, and started again after a crash, with its units where they were", async () => {
    const m1 = lab.machine("m1");
    await lab.start({ "kept.service": serviceText() });
    await lab.untilActive(["kept.service m1"]);
    const [fleetdPid, unitPid] = [m1.fleetdPid, await lab.mainPid("kept.service", "m1")];
    const status = await ofService(m1, "Type", "StatusText", "ActiveState");
    expect(status).toMatch(/^Type=notify\nStatusText=serving, etcd at http.*\nActiveState=active$/);
    await m1.run(["systemctl", "kill", "--signal=KILL", "fleet.service"]);
    await untilRestarted(m1, fleetdPid);
    expect(await ofService(m1, "NRestarts")).not.toBe("NRestarts=0");
    expect(await lab.mainPid("kept.service", "m1")).toBe(unitPid);
    expect(await presentMachines()).toEqual(["m1", "m2", "m3"]);
    expect((await lab.placements())["kept.service"]).toBe("m1");
  });

  it("is started by a caller at its socket", async () => {
    const m1 = lab.machine("m1");
    for (const endpoint of ["unix:///var/run/fleet.sock", m1.full.apiUrl]) {
      await m1.run(["systemctl", "stop", "fleet.service"]);
      expect([m1.fleetdPid, await ofService(m1, "ActiveState")]).toEqual([undefined, "ActiveState=inactive"]);
      const { stdout, exitCode } = await m1.run(["fleetctl", "--endpoint", endpoint, "list-machines"]);
      expect({ stdout, exitCode }, endpoint).toMatchObject({ exitCode: 0 });
      expect(await ofService(m1, "ActiveState")).toBe("ActiveState=active");
    }
    await untilPresent(["m1", "m2", "m3"], 15_000);
  });

  it("reads its configuration anew when systemd reloads fleet.service", async () => {
    const m1 = lab.machine("m1");
    const pid = m1.fleetdPid;
    await output(m1, "echo 'metadata=\"rack=r7\"' >>/etc/fleet/fleet.conf; systemctl reload fleet.service");
    await lab.cluster.waitFor({
      what: "the new metadata",
      probe: async () => (await lab.cluster.listedMachines()).find(({ id }) => id === m1.id)?.metadata,
      until: (metadata) => metadata?.rack === "r7",
      timeoutMs: 15_000,
    });
    await lab.cluster.waitFor({
      what: "systemd to see the end of the reload",
      probe: () => ofService(m1, "ActiveState"),
      until: (state) => state === "ActiveState=active",
      timeoutMs: 15_000,
    });
    expect(m1.fleetdPid).toBe(pid);
  });

  it("goes on when systemd is executed anew and when the system bus is restarted", async () => {
    const m1 = lab.machine("m1");
    await lab.start({ "before.service": serviceText() });
    await lab.untilActive(["before.service m1"]);
    const pid = m1.fleetdPid;
    expect(await m1.run(["systemctl", "daemon-reexec"])).toMatchObject({ exitCode: 0 });
    expect(await m1.run(["systemctl", "restart", "dbus.service"])).toMatchObject({ exitCode: 0 });
    await lab.start({ "other.service": serviceText(), "third.service": serviceText() });
    await lab.fleetctlOk("stop", "before.service");
    await expect.poll(() => lab.activeState("before.service", "m1"), { timeout: 15_000 }).toBe("inactive");
    await lab.fleetctlOk("start", "before.service");
    await lab.untilActive(["before.service m1", "other.service m2", "third.service m3"]);
    expect(m1.fleetdPid).toBe(pid);
  });

  it("comes up with the machine where it is enabled, with nothing left of the units it had", async () => {
    const m1 = lab.machine("m1");
    await lab.start({ "moved.service": serviceText() });
    await lab.untilActive(["moved.service m1"]);
    await m1.run(["systemctl", "enable", "fleet.socket", "fleet.service"]);
    try {
      await m1.machine.reboot();
      await untilRestarted(m1, undefined);
      expect(await output(m1, "systemctl is-system-running --wait")).toBe("running");
      // The token on its tmpfs went with the power: to the cluster this is another fleetd, and has to wait until
      // the former one counts as lost. By then the unit runs elsewhere.
      await lab.untilActive(["moved.service m2"], AGENT_TTL_MS + 15_000);
      await untilPresent(["m1", "m2", "m3"], 15_000);
      expect([await lab.activeState("moved.service", "m1"), lab.hasUnitFile("moved.service", "m1")]).toEqual([
        "inactive",
        false,
      ]);
    } finally {
      await m1.run(["systemctl", "disable", "fleet.socket", "fleet.service"]);
    }
  });

  it("keeps its units running without a network, and ends the duplicates once it has one again", async () => {
    const [m1, m2] = [lab.machine("m1"), lab.machine("m2")];
    await lab.start({ "a.service": serviceText(), "b.service": serviceText() });
    await lab.untilActive(["a.service m1", "b.service m2"]);
    const cut = (await lab.leader()) === m1 ? m2 : m1;
    const unit = cut === m1 ? "a.service" : "b.service";
    await cut.full.unplug();
    await untilPresent(
      ["m1", "m2", "m3"].filter((name) => name !== cut.name),
      4 * AGENT_TTL_MS,
    );
    await expect.poll(() => lab.machinesRunning(unit), { timeout: 15_000 }).toHaveLength(2);
    expect(await lab.machinesRunning(unit)).toContain(cut.name);
    await cut.full.plugIn();
    await untilPresent(["m1", "m2", "m3"], 30_000);
    await expect.poll(() => lab.machinesRunning(unit), { timeout: 15_000 }).toHaveLength(1);
    expect(existsSync(cut.machine.unitsDirectory)).toBe(true);
  });
});
