import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Cluster,
  type ClusterMachine,
  type ClusterOptions,
  type CommandResult,
  type ListedState,
  type MachineSettings,
} from "@fleet/lab";
import { afterAll, afterEach, beforeAll } from "vitest";
import { z } from "zod";

/** How long a cluster may take to carry out what takes it milliseconds: hosts of tests are busy. */
const PATIENCE_MS = 15_000;
const LOG_LINES_OF_A_FAILURE = 40;
const KEY_PREFIX = "/_coreos.com/fleet/";

// As etcd's JSON gateway writes it: bytes in base64, 64-bit numbers in text, what is empty left out.
const rangeAnswer = z.object({
  kvs: z.array(z.object({ key: z.string(), value: z.string(), mod_revision: z.string() })).default([]),
});
const leaderRecord = z.object({ machineId: z.string() });

/** A key of fleet's in etcd. */
export interface RegistryRow {
  /** Its name below the prefix. */
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
}

/** What a unit noted by note(), in the order in which it happened on whichever machine. */
export interface ServiceEvent {
  readonly unit: string;
  /** Name of the machine. */
  readonly machine: string;
  readonly what: string;
  readonly atMs: number;
}

/**
 * The one cluster of a test file: brought up before its first test, torn down after its last, whatever happens.
 * A failed test prints the ends of all fleetd logs.
 *
 * The machines m1, m2, m3… have ids in that order, and ties of load go to the lowest id: while all are equally
 * loaded, the next unit goes to m1.
 */
export class LabCluster {
  #cluster: Cluster | undefined;
  #machineCount = 0;

  /** Brings it up; `useLabCluster` calls it. */
  async up(
    options: Omit<ClusterOptions, "machines" | "fullMachines"> & { machines: readonly MachineSettings[] },
  ): Promise<void> {
    const machines = options.machines.map((settings, index) => ({
      machineId: String(index + 1)
        .repeat(32)
        .slice(0, 32),
      ...settings,
      name: settings.name ?? `m${index + 1}`,
    }));
    this.#machineCount = machines.length;
    this.#cluster = await Cluster.up({ ...options, machines });
    writeFileSync(this.#eventsFile, "");
  }

  async down(): Promise<void> {
    await this.#cluster?.down();
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error("the cluster is not up");
    return this.#cluster;
  }

  get machines(): readonly ClusterMachine[] {
    return this.cluster.machines;
  }

  machine(name: string): ClusterMachine {
    return this.cluster.machine(name);
  }

  /** Runs fleetctl; a non-zero exit code is a value. */
  fleetctl(...args: readonly string[]): Promise<CommandResult> {
    return this.cluster.fleetctl(args);
  }

  /** Runs fleetctl and fails, with what it said, unless it exits with 0. */
  async fleetctlOk(...args: readonly string[]): Promise<CommandResult> {
    const result = await this.fleetctl(...args);
    if (result.exitCode !== 0) {
      throw new Error(
        `fleetctl ${args.join(" ")}: exit code ${result.exitCode}\n${result.stdout}${result.stderr}`,
      );
    }
    return result;
  }

  /** Writes unit files on the host and returns their paths, to be given to fleetctl. */
  unitFiles(files: Readonly<Record<string, string>>): readonly string[] {
    const directory = this.cluster.directory.subdirectory("unit-files");
    return Object.entries(files).map(([name, text]) => {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    });
  }

  /** `fleetctl start` of unit files, one after the other in their order; each has to come up. */
  async start(files: Readonly<Record<string, string>>): Promise<void> {
    for (const path of this.unitFiles(files)) await this.fleetctlOk("start", path);
  }

  /** Where units are placed: unit → name of the machine. Global and unplaced units are missing. */
  async placements(): Promise<Readonly<Record<string, string>>> {
    const units = await this.cluster.units();
    const placed = units.flatMap(({ name, machineID }) =>
      machineID === undefined ? [] : [[name, this.machine(machineID).name] as const],
    );
    return Object.fromEntries(placed);
  }

  /** Where units are active by what their machines report, sorted: `unit machine`. */
  async active(): Promise<readonly string[]> {
    const states = await this.cluster.states();
    return states
      .filter(({ systemdActiveState }) => systemdActiveState === "active")
      .map(({ name, machineID }) => `${name} ${this.machine(machineID).name}`)
      .sort();
  }

  /** The reported state of a unit on a machine. */
  async state(unit: string, machineName: string): Promise<ListedState | undefined> {
    const { id } = this.machine(machineName);
    return (await this.cluster.states()).find(({ name, machineID }) => name === unit && machineID === id);
  }

  /** Waits until exactly these run: `unit machine`, by report. Resolves with the time it took. */
  async untilActive(expected: readonly string[], timeoutMs = PATIENCE_MS): Promise<number> {
    const wanted = [...expected].sort().join("\n");
    const { ms } = await this.cluster.waitFor({
      what: `exactly these to be active: ${expected.join(", ")}`,
      probe: () => this.active(),
      until: (active) => active.join("\n") === wanted,
      timeoutMs,
    });
    return ms;
  }

  /** Asks the machine's systemd itself, past fleet: `active`, `inactive`, `failed`… */
  async activeState(unit: string, machineName: string): Promise<string> {
    return (await this.machine(machineName).systemctl("show", "-P", "ActiveState", unit)).stdout.trim();
  }

  /** Process of a unit as the machine's systemd knows it; "0" when none runs. */
  async mainPid(unit: string, machineName: string): Promise<string> {
    return (await this.machine(machineName).systemctl("show", "-P", "MainPID", unit)).stdout.trim();
  }

  /** Everything fleet has in etcd, past fleet, sorted by key. */
  async registryRows(): Promise<readonly RegistryRow[]> {
    const { text } = await this.cluster.etcd.call("kv/range", {
      key: btoa(KEY_PREFIX),
      // "0" is the character after "/": the range ends behind the last key with the prefix.
      range_end: btoa(`${KEY_PREFIX.slice(0, -1)}0`),
    });
    return rangeAnswer.parse(JSON.parse(text)).kvs.map((row) => ({
      key: atob(row.key).slice(KEY_PREFIX.length),
      value: Buffer.from(row.value, "base64").toString("utf8"),
      modRevision: Number(row.mod_revision),
    }));
  }

  /** The machine whose engine leads. Fails when none does. */
  async leader(): Promise<ClusterMachine> {
    const row = (await this.registryRows()).find(({ key }) => key === "leader");
    return this.machine(leaderRecord.parse(JSON.parse(row?.value ?? "null")).machineId);
  }

  /** Names of the machines whose systemd runs the unit. */
  async machinesRunning(unit: string): Promise<readonly string[]> {
    const states = await Promise.all(
      this.machines.map(async ({ name }) => [name, await this.activeState(unit, name)] as const),
    );
    return states.filter(([, state]) => state !== "inactive" && state !== "failed").map(([name]) => name);
  }

  /** Whether fleet's unit file lies on the machine. */
  hasUnitFile(unit: string, machineName: string): boolean {
    return existsSync(join(this.machine(machineName).machine.unitsDirectory, unit));
  }

  /** What units noted so far, oldest first, across all machines. */
  events(): readonly ServiceEvent[] {
    const lines = readFileSync(this.#eventsFile, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => {
      const [unit = "", machine = "", atNs = "", ...what] = line.split(" ");
      return { unit, machine, what: what.join(" "), atMs: Number(BigInt(atNs) / 1_000_000n) };
    });
  }

  /** The notes of one unit as `machine what`. */
  history(unit: string): readonly string[] {
    return this.events()
      .filter((event) => event.unit === unit)
      .map(({ machine, what }) => `${machine} ${what}`);
  }

  /** Waits until the unit has noted this many events. */
  async untilEvents(unit: string, count: number, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.cluster.waitFor({
      what: `${count} events of ${unit}`,
      probe: async () => this.history(unit),
      until: (history) => history.length >= count,
      timeoutMs,
    });
  }

  /** Shell text, for within '…' in a unit file, by which a unit notes an event. */
  note(what: string): string {
    return `echo "%n %H $$(date +%%s%%N) ${what}" >> ${this.#eventsFile}`;
  }

  /**
   * A service that notes when it starts and stops (`start`; `stopping`; `stopped with file`, or `without file`
   * when its unit file is gone by the end of ExecStop), in one file for all machines.
   */
  recordingService(
    options: { readonly stopSeconds?: number; readonly xFleet?: readonly string[] } = {},
  ): string {
    // Where units lie on a light machine and on a full one.
    const fileThere = "test -e %t/systemd/user/%n || test -e %t/fleet/units/%n";
    const fileState = `$$( { ${fileThere}; } && echo with || echo without) file`;
    const stop = [
      this.note("stopping"),
      `sleep ${options.stopSeconds ?? 0}`,
      this.note(`stopped ${fileState}`),
    ].join("; ");
    return serviceText({
      service: [
        // Before the main process: systemd calls the unit active as soon as that is there, whatever it has done yet.
        `ExecStartPre=/bin/sh -c '${this.note("start")}'`,
        "ExecStart=/bin/sleep infinity",
        `ExecStop=/bin/sh -c '${stop}'`,
      ],
      ...(options.xFleet === undefined ? {} : { xFleet: options.xFleet }),
    });
  }

  /**
   * Makes the cluster as new for the next test: every machine on, connected and with a running fleetd, no unit
   * left in etcd or in any systemd.
   */
  async restore(): Promise<void> {
    for (const machine of this.machines) {
      machine.heal();
      if (!machine.machine.running) await machine.machine.boot();
      else if (machine.machine.kind === "full") await machine.full.plugIn();
      if (machine.fleetdPid === undefined) await machine.startFleetd();
    }
    await this.cluster.waitFor({
      what: "all machines to be listed",
      probe: () => this.cluster.listedMachines(),
      until: (machines) => machines.length === this.#machineCount,
      timeoutMs: 2 * PATIENCE_MS,
    });
    const names = (await this.cluster.units()).map(({ name }) => name);
    if (names.length > 0) await this.fleetctlOk("destroy", ...names);
    await this.cluster.waitFor({
      what: "no unit to be left",
      probe: () => this.cluster.states(),
      until: (states) => states.length === 0,
      timeoutMs: 2 * PATIENCE_MS,
    });
    writeFileSync(this.#eventsFile, "");
  }

  /** The ends of all fleetd logs. */
  logTails(): string {
    return this.machines.map((machine) => machine.logTail(LOG_LINES_OF_A_FAILURE)).join("\n");
  }

  get #eventsFile(): string {
    return join(this.cluster.directory.subdirectory("events"), "events");
  }
}

export interface UseLabClusterOptions extends Omit<ClusterOptions, "machines" | "fullMachines"> {
  /** Default: three. */
  readonly machines?: readonly MachineSettings[];
  /** Default true: restore() after each test. */
  readonly restore?: boolean;
}

/** Registers a cluster for the tests of this file, by default of three machines with agent_ttl 5 s. */
export function useLabCluster(options: UseLabClusterOptions = {}): LabCluster {
  const { restore = true, machines = [{}, {}, {}], ...clusterOptions } = options;
  const lab = new LabCluster();
  beforeAll(async () => {
    await lab.up({ ...clusterOptions, machines });
  });
  afterEach(async ({ task }) => {
    // The tests' own messages say what was expected; this says what the daemons made of it.
    if (task.result?.state === "fail") console.error(lab.logTails());
    if (!restore) return;
    await lab.restore().catch((error: unknown) => {
      console.error(lab.logTails());
      throw error;
    });
  });
  afterAll(async () => {
    await lab.down();
  });
  return lab;
}

/** Text of a service; by default one that runs until it is stopped. */
export function serviceText(
  options: { readonly service?: readonly string[]; readonly xFleet?: readonly string[] } = {},
): string {
  const service = options.service ?? ["ExecStart=/bin/sleep infinity"];
  const xFleet = options.xFleet === undefined ? [] : ["", "[X-Fleet]", ...options.xFleet];
  return ["[Service]", ...service, ...xFleet, ""].join("\n");
}
