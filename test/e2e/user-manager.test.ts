import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ClusterMachine, programOf } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const SHIPPED = fileURLToPath(new URL("../../packages/fleetd/systemd", import.meta.url));

const lab = useLabCluster({ machines: [{}, { fleetd: false }], restore: false });

const pinnedTo = ({ id }: ClusterMachine): string => serviceText({ xFleet: [`MachineID=${id}`] });

async function start(name: string, text: string, via: ClusterMachine): Promise<void> {
  const started = await lab.cluster.fleetctl(["start", ...lab.unitFiles({ [name]: text })], { via });
  expect(started).toMatchObject({ exitCode: 0 });
}

/** Waits until fleet reports this active state of a unit. */
async function untilReported(unit: string, active: string): Promise<void> {
  await lab.cluster.waitFor({
    what: `${unit} to be reported ${active}`,
    probe: async () => (await lab.cluster.states(lab.machine("m1"))).find(({ name }) => name === unit),
    until: (state) => state?.systemdActiveState === active,
    timeoutMs: 10_000,
  });
}

describe("fleetd beside a user's systemd", () => {
  it.each<[what: string, happens: () => Promise<unknown>]>([
    ["its message bus is started again", () => lab.machine("m1").systemctl("restart", "dbus.service")],
    ["it executes itself anew", () => lab.machine("m1").systemctl("daemon-reexec")],
    ["it reads its units anew", () => lab.machine("m1").systemctl("daemon-reload")],
  ])("loses no unit and no state when %s", async (_what, happens) => {
    const machine = lab.machine("m1");
    await start("before.service", pinnedTo(machine), machine);
    const pid = await lab.mainPid("before.service", "m1");
    expect(await happens()).toMatchObject({ exitCode: 0 });
    await start("after.service", pinnedTo(machine), machine);
    expect(await lab.mainPid("before.service", "m1")).toBe(pid);
    expect(await lab.activeState("after.service", "m1")).toBe("active");
    await machine.systemctl("kill", "--signal=KILL", "before.service");
    await untilReported("before.service", "failed");
    await lab.fleetctlOk("destroy", "before.service", "after.service");
    expect(await lab.activeState("after.service", "m1")).toBe("inactive");
  });

  it("finds it by XDG_RUNTIME_DIR alone", async () => {
    const machine = lab.machine("m1");
    await start("kept.service", pinnedTo(machine), machine);
    const pid = await lab.mainPid("kept.service", "m1");
    await machine.killFleetd();
    await machine.startFleetd({ env: { DBUS_SESSION_BUS_ADDRESS: undefined } });
    await start("found.service", pinnedTo(machine), machine);
    expect(await lab.mainPid("kept.service", "m1")).toBe(pid);
    await lab.fleetctlOk("destroy", "kept.service", "found.service");
  });

  it("enables what has an [Install] section, and touches nothing of the user's own", async () => {
    const machine = lab.machine("m1");
    const own = join(machine.machine.unitsDirectory, "own.service");
    writeFileSync(own, serviceText());
    await machine.systemctl("daemon-reload");
    await machine.systemctl("start", "own.service");
    const pid = await lab.mainPid("own.service", "m1");
    const installed = `${pinnedTo(machine)}\n[Install]\nWantedBy=default.target\n`;
    await start("installed.service", installed, machine);
    const wants = async (): Promise<string> =>
      (await machine.systemctl("show", "-P", "Wants", "default.target")).stdout;
    expect((await machine.systemctl("is-enabled", "installed.service")).stdout).toMatch(/^enabled/);
    await machine.systemctl("daemon-reload");
    expect(await wants()).toContain("installed.service");
    await lab.fleetctlOk("destroy", "installed.service");
    await machine.systemctl("daemon-reload");
    expect(await wants()).not.toContain("installed.service");
    expect(lab.hasUnitFile("own.service", "m1")).toBe(true);
    expect(await lab.mainPid("own.service", "m1")).toBe(pid);
  });
});

describe("fleetd as a service of a systemd, by the units that come with it", () => {
  /** The shipped units, with what this machine needs in drop-ins. */
  async function install(machine: ClusterMachine, config: string): Promise<void> {
    const { machine: light } = machine;
    const units = join(light.environment.XDG_CONFIG_HOME ?? "", "systemd", "user");
    cpSync(SHIPPED, units, { recursive: true });
    const dropIn = (unit: string, lines: readonly string[]): void => {
      mkdirSync(join(units, `${unit}.d`));
      writeFileSync(join(units, `${unit}.d`, "here.conf"), `${lines.join("\n")}\n`);
    };
    dropIn("fleet.socket", ["[Socket]", "ListenStream=", `ListenStream=${machine.socketPath}`]);
    const { FLEET_LISTEN: _passed, ...environment } = machine.fleetdEnvironment;
    dropIn("fleet.service", [
      "[Service]",
      "ExecStart=",
      `ExecStart=${programOf("fleetd")} --config ${config}`,
      `Environment="PATH=${light.environment.PATH}"`,
      ...Object.entries(environment).map(([name, value]) => `Environment="${name}=${value}"`),
    ]);
    expect(await machine.systemctl("daemon-reload")).toMatchObject({ exitCode: 0 });
  }

  it("is started by the first request, reloads, comes back after a crash, and leaves in order", async () => {
    const machine = lab.machine("m2");
    const config = join(machine.machine.path, "fleet.conf");
    writeFileSync(config, "metadata=disk=hdd\n");
    await install(machine, config);
    expect(await machine.systemctl("start", "fleet.socket")).toMatchObject({ exitCode: 0 });
    expect(await lab.activeState("fleet.service", "m2")).toBe("inactive");

    // The request that starts fleetd is answered like any other.
    const listed = await lab.cluster.fleetctl(["list-machines", "--no-legend"], { via: machine });
    expect(listed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("127.0.0.11") });
    const show = async (property: string): Promise<string> =>
      (await machine.systemctl("show", "-P", property, "fleet.service")).stdout.trim();
    await lab.cluster.waitFor({
      what: "fleetd to say that it is ready",
      probe: () => show("ActiveState"),
      until: (state) => state === "active",
      timeoutMs: 10_000,
    });
    const metadata = async (wanted: string): Promise<void> => {
      await lab.cluster.waitFor({
        what: `m2 to be listed with ${wanted}`,
        probe: async () => (await lab.fleetctlOk("list-machines", "--full", "--no-legend")).stdout,
        until: (lines) => lines.includes(machine.id) && lines.includes(wanted),
        timeoutMs: 10_000,
      });
    };
    await metadata("disk=hdd");
    await start("served.service", pinnedTo(machine), machine);
    const pid = await lab.mainPid("served.service", "m2");

    writeFileSync(config, "metadata=disk=ssd\n");
    expect(await machine.systemctl("reload", "fleet.service")).toMatchObject({ exitCode: 0 });
    await metadata("disk=ssd");
    expect(await lab.mainPid("served.service", "m2")).toBe(pid);

    // A mistake is logged, and what was configured stays.
    const fleetdPid = await show("MainPID");
    writeFileSync(config, "metadata=disk=nvme\ntoken_limit=0\n");
    await machine.systemctl("reload", "fleet.service");
    const during = await lab.cluster.fleetctl(["list-machines", "--full"], { via: machine });
    expect(during.stdout).toContain("disk=ssd");
    expect(await show("MainPID")).toBe(fleetdPid);
    writeFileSync(config, "metadata=disk=ssd\n");

    await machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", "fleet.service");
    await lab.cluster.waitFor({
      what: "systemd to have started fleetd again",
      probe: async () => [await show("ActiveState"), await show("MainPID")],
      until: ([state, main]) => state === "active" && main !== fleetdPid,
      timeoutMs: 15_000,
    });
    expect(await lab.cluster.fleetctl(["list-units"], { via: machine })).toMatchObject({ exitCode: 0 });
    expect(await lab.mainPid("served.service", "m2")).toBe(pid);

    await machine.systemctl("stop", "fleet.socket", "fleet.service");
    expect([await show("ActiveState"), await show("Result")]).toEqual(["inactive", "success"]);
    expect(await lab.activeState("served.service", "m2")).toBe("inactive");
    expect(lab.hasUnitFile("served.service", "m2")).toBe(false);
    expect((await lab.cluster.listedMachines()).map(({ id }) => id)).toEqual([lab.machine("m1").id]);
  });
});
