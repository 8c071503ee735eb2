import { join } from "node:path";
import { CHECKOUT, programOf } from "./checkout.ts";
import type { ClusterMachineParts } from "./cluster-machine.ts";
import type { Etcd } from "./etcd.ts";
import { FleetdProgram } from "./fleetd-program.ts";
import { FleetdService } from "./fleetd-service.ts";
import { startFullMachine } from "./full-machine.ts";
import { requireFullMachines } from "./host.ts";
import type { LabDirectory } from "./lab-directory.ts";
import { LabNetwork } from "./lab-network.ts";
import { LabSsh } from "./lab-ssh.ts";
import { startLightMachine } from "./light-machine.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export interface MachineOrder {
  readonly name: string;
  /** Of the machine in its cluster, from 1. */
  readonly number: number;
  readonly machineId?: string;
}

/** Boots machines for a cluster, each with its own cable to etcd and a fleetd that is still to be started. */
export class MachineMaker {
  #directory: LabDirectory;
  #etcd: Etcd;
  #shared: Promise<{ readonly network: LabNetwork; readonly ssh: LabSsh }> | undefined;

  constructor(directory: LabDirectory, etcd: Etcd) {
    this.#directory = directory;
    this.#etcd = etcd;
  }

  /** A `systemd --user` on the host's network. */
  async light(order: MachineOrder): Promise<ClusterMachineParts> {
    return await this.#withCables("127.0.0.1", async (cables) => {
      const machine = await startLightMachine({ directory: this.#directory, ...withoutNumber(order) });
      const socketPath = join(machine.path, "fleet.sock");
      return {
        machine,
        fleetd: new FleetdProgram(machine, programOf("fleetd"), join(machine.path, "fleetd.log")),
        // Each address of 127.0.0.0/8 is the host itself, and each machine has one of its own to show.
        publicIp: `127.0.0.${10 + order.number}`,
        socketPath,
        cables,
        env: {
          FLEET_LISTEN: `unix://${socketPath}`,
          FLEET_SYSTEMD_USER: "true",
          FLEET_UNITS_DIRECTORY: machine.unitsDirectory,
        },
      };
    });
  }

  /** A systemd as PID 1 on the lab's own network. Fails with `lab_host` where none can run. */
  async full(order: MachineOrder): Promise<ClusterMachineParts> {
    await requireFullMachines();
    this.#shared ??= this.#share();
    const { network, ssh } = await this.#shared;
    return await this.#withCables(network.hostAddress, async (cables) => {
      const machine = await startFullMachine({
        directory: this.#directory,
        network,
        ssh,
        checkout: CHECKOUT,
        ...withoutNumber(order),
      });
      return {
        machine,
        fleetd: new FleetdService(machine),
        publicIp: machine.address,
        socketPath: machine.socketPath,
        cables,
        env: {},
      };
    });
  }

  /** What all full machines of the lab have in common, made for the first. */
  async #share(): Promise<{ readonly network: LabNetwork; readonly ssh: LabSsh }> {
    const network = await LabNetwork.create(this.#directory);
    return { network, ssh: await LabSsh.start(this.#directory) };
  }

  async #withCables(
    host: string,
    make: (cables: readonly TcpProxy[]) => Promise<ClusterMachineParts>,
  ): Promise<ClusterMachineParts> {
    const cables = await Promise.all(this.#etcd.endpoints.map((endpoint) => TcpProxy.start(endpoint, host)));
    try {
      return await make(cables);
    } catch (error) {
      await Promise.all(cables.map((cable) => cable.close()));
      throw error;
    }
  }
}

function withoutNumber({ name, machineId }: MachineOrder): Omit<MachineOrder, "number"> {
  return { name, ...(machineId === undefined ? {} : { machineId }) };
}
