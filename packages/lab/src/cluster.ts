import { FleetError } from "@fleet/runtime";
import { programOf, requireBuild } from "./checkout.ts";
import { ClusterMachine } from "./cluster-machine.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { freePorts } from "./free-ports.ts";
import { hostAbilities } from "./host.ts";
import { LabDirectory } from "./lab-directory.ts";
import {
  type ListedMachine,
  type ListedState,
  type ListedUnit,
  listMachines,
  listStates,
  listUnits,
} from "./listings.ts";
import type { Machine } from "./machine.ts";
import { MachineMaker } from "./machine-maker.ts";
import { type CommandResult, runCommand } from "./process.ts";
import { type Awaited, type WaitOptions, waitFor } from "./wait-for.ts";

const KEY_PREFIX = "/_coreos.com/fleet/";
const JOIN_TIMEOUT_MS = 30_000;

export interface MachineSettings {
  /** Default `light`. */
  readonly kind?: Machine["kind"];
  /** Name in the lab and host name; `m<n>` when left out. */
  readonly name?: string;
  /** 32 hexadecimal digits; random when left out. */
  readonly machineId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether a light machine's API is also on a TCP port, for browsers. */
  readonly tcp?: boolean;
  /** FLEET_… variables of this machine. */
  readonly env?: NodeJS.ProcessEnv;
  /** false: boot the machine only. */
  readonly fleetd?: boolean;
}

export interface ClusterOptions {
  /** Name of the lab; random when left out. */
  readonly name?: string;
  /** How many light machines, or what each is to be like; default 3, or none where there are full ones. */
  readonly machines?: number | readonly MachineSettings[];
  /** How many full machines besides; they come after the others. */
  readonly fullMachines?: number;
  /** Default 1; three survive the loss of one. Every machine is told of all. */
  readonly etcdMembers?: number;
  /** Default 5 s. */
  readonly agentTtlMs?: number;
  /** FLEET_… variables of all machines. */
  readonly env?: NodeJS.ProcessEnv;
  /** Told what is going on, for a person to follow. */
  readonly onProgress?: (line: string) => void;
}

/**
 * A cluster of real machines on one host: etcd, and on each machine a fleetd of this checkout.
 *
 * Invariant: whatever it starts ends with `down()`, and with the process that made it at the latest.
 */
export class Cluster {
  readonly directory: LabDirectory;
  readonly etcd: Etcd;
  #options: ClusterOptions;
  #maker: MachineMaker;
  #machines: ClusterMachine[] = [];
  #numbered = 0;
  #down: Promise<void> | undefined;

  private constructor(directory: LabDirectory, etcd: Etcd, options: ClusterOptions) {
    this.directory = directory;
    this.etcd = etcd;
    this.#options = options;
    this.#maker = new MachineMaker(directory, etcd);
  }

  /**
   * Brings a cluster up and waits until it lists all its machines.
   *
   * Fails with `lab_host` where no machine can run, `lab_build` when the programs are not built, and leaves
   * nothing behind then.
   */
  static async up(options: ClusterOptions = {}): Promise<Cluster> {
    requireBuild();
    await hostAbilities();
    const directory = LabDirectory.create(options.name === undefined ? {} : { name: options.name });
    let cluster: Cluster | undefined;
    try {
      const startedAt = performance.now();
      const etcd = await startEtcd({ directory, members: options.etcdMembers ?? 1 });
      options.onProgress?.(`etcd serves ${etcd.endpoints.join(", ")} (${sinceText(startedAt)})`);
      const made = new Cluster(directory, etcd, options);
      cluster = made;
      // Where one fails the others are waited for: what is still starting could not be taken down.
      const added = await Promise.allSettled(
        machinesOf(options).map((settings) => made.addMachine(settings)),
      );
      for (const result of added) if (result.status === "rejected") throw result.reason;
      return made;
    } catch (error) {
      await (cluster === undefined ? directory.remove() : cluster.down());
      throw error;
    }
  }

  get name(): string {
    return this.directory.name;
  }

  get machines(): readonly ClusterMachine[] {
    return this.#machines;
  }

  /** The machine of that name, or whose id begins so. Fails with `lab_no_machine`. */
  machine(nameOrId: string): ClusterMachine {
    const found = this.#machines.filter(
      (machine) => machine.name === nameOrId || machine.id.startsWith(nameOrId),
    );
    const [machine] = found;
    if (machine === undefined || found.length > 1) {
      const names = this.#machines.map((candidate) => candidate.name).join(", ");
      throw new FleetError("lab_no_machine", `no single machine "${nameOrId}" here; there are ${names}`);
    }
    return machine;
  }

  /** Boots one more machine, starts fleetd there and waits until the cluster lists it. */
  async addMachine(settings: MachineSettings = {}): Promise<ClusterMachine> {
    this.#numbered += 1;
    const number = this.#numbered;
    const name = settings.name ?? `m${number}`;
    const startedAt = performance.now();
    const parts = await this.#maker[settings.kind ?? "light"]({
      name,
      number,
      ...(settings.machineId === undefined ? {} : { machineId: settings.machineId }),
    });
    const [port] = settings.tcp === true ? await freePorts(1) : [];
    const url = port === undefined ? undefined : `http://${parts.publicIp}:${port}`;
    const machine = new ClusterMachine({
      ...parts,
      url,
      env: {
        ...parts.env,
        ...(url === undefined
          ? {}
          : { FLEET_LISTEN: `unix://${parts.socketPath},tcp://${parts.publicIp}:${port}` }),
        FLEET_AGENT_TTL: `${(this.#options.agentTtlMs ?? 5_000) / 1_000}s`,
        ...(settings.metadata === undefined ? {} : { FLEET_METADATA: metadataText(settings.metadata) }),
        ...this.#options.env,
        ...settings.env,
      },
    });
    this.#machines.push(machine);
    this.#machines.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
    if (settings.fleetd !== false) {
      await machine.startFleetd();
      await this.#untilListed(machine);
    }
    this.#options.onProgress?.(`${name} is up: ${machine.id}, ${machine.publicIp} (${sinceText(startedAt)})`);
    return machine;
  }

  /**
   * Runs fleetctl on the host against one machine's API: the given one, else the first whose fleetd runs.
   * A non-zero exit code is a value.
   */
  fleetctl(
    args: readonly string[],
    options: {
      readonly via?: ClusterMachine;
      readonly timeoutMs?: number;
      readonly env?: NodeJS.ProcessEnv;
      readonly cwd?: string;
    } = {},
  ): Promise<CommandResult> {
    const via = options.via ?? this.#anyServing();
    return runCommand([programOf("fleetctl"), ...args], {
      env: { ...process.env, FLEETCTL_ENDPOINT: via.endpoint, NO_COLOR: "1", ...options.env },
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  }

  /** All units, through the API of one machine. */
  async units(via: ClusterMachine = this.#anyServing()): Promise<readonly ListedUnit[]> {
    return await listUnits(via);
  }

  /** All unit states, through the API of one machine. */
  async states(via: ClusterMachine = this.#anyServing()): Promise<readonly ListedState[]> {
    return await listStates(via);
  }

  /** The machines that the cluster lists, through the API of one machine. */
  async listedMachines(via: ClusterMachine = this.#anyServing()): Promise<readonly ListedMachine[]> {
    return await listMachines(via);
  }

  /** As waitFor; a timeout also shows the ends of all logs. */
  waitFor<T>(options: Omit<WaitOptions<T>, "context">): Promise<Awaited<T>> {
    const context = (): string => this.#machines.map((machine) => machine.logTail()).join("\n");
    return waitFor({ ...options, context });
  }

  /** Deletes everything fleet has in etcd, behind its back. */
  async wipeRegistry(): Promise<void> {
    const { status, text } = await this.etcd.call("kv/deleterange", {
      key: base64(KEY_PREFIX),
      // "0" is the character after "/": the range ends behind the last key with the prefix.
      range_end: base64(`${KEY_PREFIX.slice(0, -1)}0`),
    });
    if (status !== 200) throw new FleetError("lab_etcd", `etcd did not delete: ${text}`);
  }

  /** Ends everything and removes every trace. Calling it again waits for the same end. */
  down(): Promise<void> {
    this.#down ??= this.#tearDown();
    return this.#down;
  }

  async #tearDown(): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.destroy()));
    await Promise.all(this.etcd.members.map((member) => member.kill()));
    await this.directory.remove();
  }

  #anyServing(): ClusterMachine {
    const serving = this.#machines.find((machine) => machine.fleetdPid !== undefined);
    if (serving === undefined) throw new FleetError("lab_fleetd", "no fleetd runs in this lab");
    return serving;
  }

  async #untilListed(machine: ClusterMachine): Promise<void> {
    await this.waitFor({
      what: `${machine.name} to join the cluster`,
      probe: () => this.listedMachines(machine),
      until: (machines) => machines.some((listed) => listed.id === machine.id),
      timeoutMs: JOIN_TIMEOUT_MS,
    });
  }
}

function machinesOf({ machines, fullMachines = 0 }: ClusterOptions): readonly MachineSettings[] {
  const others = machines ?? (fullMachines === 0 ? 3 : 0);
  const listed = typeof others === "number" ? Array.from({ length: others }, () => ({})) : others;
  return [...listed, ...Array.from({ length: fullMachines }, () => ({ kind: "full" }) as const)];
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function sinceText(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
}
