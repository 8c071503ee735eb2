import { createServer } from "node:net";
import { join } from "node:path";
import { FleetError } from "@fleet/runtime";
import { requirePrograms } from "./host.ts";
import type { LabDirectory } from "./lab-directory.ts";
import { LabProcess } from "./process.ts";

const READY_TIMEOUT_MS = 30_000;

export interface EtcdOptions {
  /** The lab that owns the cluster; its removal ends it. */
  readonly directory: LabDirectory;
  /** How many members; default 1. */
  readonly members?: number;
}

/** A real etcd cluster on free loopback ports, its history compacted after five minutes. */
export class Etcd {
  readonly members: readonly EtcdMember[];

  private constructor(members: readonly EtcdMember[]) {
    this.members = members;
  }

  /** Starts all members. Resolves when each answers; fails with `lab_etcd`. */
  static async start(options: EtcdOptions): Promise<Etcd> {
    requirePrograms(["etcd"]);
    const count = options.members ?? 1;
    const ports = await freePorts(2 * count);
    const members = Array.from({ length: count }, (_, index) => {
      const [client = 0, peer = 0] = ports.slice(2 * index, 2 * index + 2);
      return new EtcdMember(options.directory, `etcd${index + 1}`, client, peer);
    });
    const initialCluster = members.map((member) => `${member.name}=${member.peerUrl}`).join(",");
    await Promise.all(members.map((member) => member.start(initialCluster)));
    return new Etcd(members);
  }

  /** Client URLs of all members. */
  get endpoints(): readonly string[] {
    return this.members.map((member) => member.clientUrl);
  }

  /** Ends all members; their data stays. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  /** Starts stopped members with the data they had. */
  async restart(): Promise<void> {
    await Promise.all(this.members.map((member) => member.restart()));
  }

  /** Freezes all members: connections stay open and nothing answers. */
  pause(): void {
    for (const member of this.members) member.pause();
  }

  resume(): void {
    for (const member of this.members) member.resume();
  }
}

/** One etcd process and its data directory. */
export class EtcdMember {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly logFile: string;
  #directory: LabDirectory;
  #initialCluster = "";
  #process: LabProcess | undefined;

  constructor(directory: LabDirectory, name: string, clientPort: number, peerPort: number) {
    this.name = name;
    this.clientUrl = `http://127.0.0.1:${clientPort}`;
    this.peerUrl = `http://127.0.0.1:${peerPort}`;
    this.logFile = join(directory.subdirectory(name), "etcd.log");
    this.#directory = directory;
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  /** Starts the member and waits until it serves reads, which takes a quorum. Fails with `lab_etcd`. */
  async start(initialCluster: string): Promise<void> {
    this.#initialCluster = initialCluster;
    const process = await LabProcess.start({
      command: [
        ...["etcd", "--name", this.name],
        ...["--data-dir", join(this.#directory.path, this.name, "data")],
        ...["--listen-client-urls", this.clientUrl, "--advertise-client-urls", this.clientUrl],
        ...["--listen-peer-urls", this.peerUrl, "--initial-advertise-peer-urls", this.peerUrl],
        ...["--initial-cluster", initialCluster, "--initial-cluster-token", this.#directory.controlGroup],
        ...["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "5m"],
      ],
      env: globalThis.process.env,
      logFile: this.logFile,
      processesFile: this.#directory.processesFile,
    });
    this.#process = process;
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (process.running && performance.now() < deadline) {
      if (await isHealthy(this.clientUrl)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new FleetError("lab_etcd", `${this.name} does not serve ${this.clientUrl}; see ${this.logFile}`);
  }

  /** SIGTERM; the data stays. */
  async stop(): Promise<void> {
    await this.#process?.stop(5_000);
  }

  /** SIGKILL; the data stays. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Stops the member if it runs, and starts it with the data it had. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start(this.#initialCluster);
  }

  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void {
    this.#process?.signal("SIGSTOP");
  }

  resume(): void {
    this.#process?.signal("SIGCONT");
  }
}

/** See Etcd.start. */
export function startEtcd(options: EtcdOptions): Promise<Etcd> {
  return Etcd.start(options);
}

/** TCP ports of the loopback that nobody listened on a moment ago, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function isHealthy(clientUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${clientUrl}/health`, { signal: AbortSignal.timeout(2_000) });
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null && "health" in body && String(body.health) === "true";
  } catch {
    return false;
  }
}
