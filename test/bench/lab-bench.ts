import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, type ClusterMachine } from "@fleet/lab";
import type { Progress } from "./benchmark.ts";
import { DirectSystemd } from "./direct-systemd.ts";
import { StateRows } from "./state-rows.ts";

/** What every unit of these benchmarks is. */
const serviceText = "[Service]\nExecStart=/bin/sleep infinity\n";
const serviceOptions = [{ section: "Service", name: "ExecStart", value: "/bin/sleep infinity" }];

/** Of one command on hundreds of units. */
const commandTimeoutMs = 180_000;

/** Real machines with a fleetd each, and ways past fleet to their systemds and to etcd. */
export class LabBench {
  readonly cluster: Cluster;
  readonly states: StateRows;

  private constructor(cluster: Cluster, states: StateRows) {
    this.cluster = cluster;
    this.states = states;
  }

  /** Runs `work` on a cluster that is taken down whatever happens. */
  static async with<Result>(
    machines: number,
    progress: Progress,
    work: (lab: LabBench) => Promise<Result>,
  ): Promise<Result> {
    const cluster = await Cluster.up({ machines: 0 });
    try {
      const states = await StateRows.watch(cluster.etcd.endpoints);
      try {
        // Straight to etcd: a lab's cables run through this process and would be measured as well.
        // The lab's short agent_ttl is for failovers: what is measured here has fleet's own.
        const env = {
          FLEET_ETCD_SERVERS: cluster.etcd.endpoints.join(","),
          FLEET_AGENT_TTL: "30s",
          FLEET_VERBOSITY: "0",
        };
        await Promise.all(Array.from({ length: machines }, () => cluster.addMachine({ env })));
        progress(`${machines} machines are up`);
        return await work(new LabBench(cluster, states));
      } finally {
        await states.close();
      }
    } finally {
      await cluster.down();
    }
  }

  get machines(): readonly ClusterMachine[] {
    return this.cluster.machines;
  }

  /** Process ids of the fleetds. */
  get fleetds(): readonly number[] {
    return this.machines.map((machine) => {
      if (machine.fleetdPid === undefined) throw new Error(`fleetd on ${machine.name} has ended`);
      return machine.fleetdPid;
    });
  }

  /** The machine whose turn it is. */
  turn(index: number): ClusterMachine {
    const machine = this.machines[index % this.machines.length];
    if (machine === undefined) throw new Error("the lab has no machine");
    return machine;
  }

  /** Writes a unit file for each name, for fleetctl. */
  unitFiles(names: readonly string[]): readonly string[] {
    const directory = this.cluster.directory.subdirectory("unit-files");
    return names.map((name) => {
      const path = join(directory, name);
      writeFileSync(path, serviceText);
      return path;
    });
  }

  async fleetctl(...args: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.cluster.fleetctl(args, { timeoutMs: commandTimeoutMs });
    if (exitCode !== 0) throw new Error(`fleetctl ${args[0]}: exit code ${exitCode}: ${stderr}`);
  }

  /** Asks the API of a machine to launch a unit. Resolves when that is acknowledged. */
  async launch(unit: string, via: ClusterMachine): Promise<void> {
    const body = { name: unit, desiredState: "launched", options: serviceOptions };
    const { status, text } = await via.request({ method: "PUT", path: `/fleet/v1/units/${unit}`, body });
    if (status !== 201) throw new Error(`${unit} was not created: ${status} ${text}`);
  }

  /** Starts them and waits until all run. */
  async startAll(units: readonly string[]): Promise<void> {
    const active = this.states.until(units, ({ active }) => active === "active");
    await Promise.all([active, this.fleetctl("start", "--no-block", ...this.unitFiles(units))]);
  }

  /** Destroys all units and waits until the machines have unloaded them. */
  async destroyAll(units: readonly string[]): Promise<void> {
    await this.fleetctl("destroy", ...units);
    await this.states.untilNone();
  }

  /** Writes unit files on a machine past fleet. */
  writeDirectly(machine: ClusterMachine, units: readonly string[]): void {
    mkdirSync(machine.machine.unitsDirectory, { recursive: true });
    for (const unit of units) writeFileSync(join(machine.machine.unitsDirectory, unit), serviceText);
  }

  removeDirectly(machine: ClusterMachine, units: readonly string[]): void {
    for (const unit of units) rmSync(join(machine.machine.unitsDirectory, unit));
  }

  /** A connection to each machine's systemd, for as long as `work` takes. */
  async direct<Result>(work: (systemds: readonly DirectSystemd[]) => Promise<Result>): Promise<Result> {
    const sockets = this.machines.map(({ machine }) => machine.busSocket);
    const systemds = await Promise.all(sockets.map((socket) => DirectSystemd.subscribed(socket)));
    try {
      return await work(systemds);
    } finally {
      await Promise.all(systemds.map((systemd) => systemd.close()));
    }
  }
}

/** `many` names that are like no other benchmark's. */
export function unitNames(stem: string, many: number): readonly string[] {
  return Array.from({ length: many }, (_, index) => `${stem}-${index + 1}.service`);
}
