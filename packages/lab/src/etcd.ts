import { rmSync } from "node:fs";
import { join } from "node:path";
import { errorMessage, FleetError } from "@fleet/runtime";
import { z } from "zod";
import { freePorts } from "./free-ports.ts";
import { requirePrograms } from "./host.ts";
import type { LabDirectory } from "./lab-directory.ts";
import { LabProcess } from "./process.ts";

const READY_TIMEOUT_MS = 30_000;
const CALL_TIMEOUT_MS = 5_000;

// As etcd's JSON gateway writes it: 64-bit numbers in text.
const statusAnswer = z.object({ header: z.object({ member_id: z.string() }), leader: z.string().optional() });
const membersAnswer = z.object({
  members: z.array(z.object({ ID: z.string(), peerURLs: z.array(z.string()) })),
});

export interface EtcdOptions {
  /** The lab that owns the cluster; its removal ends it. */
  readonly directory: LabDirectory;
  /** How many members; default 1. */
  readonly members?: number;
}

/** What a member answered. */
export interface EtcdAnswer {
  readonly status: number;
  readonly text: string;
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
    await Promise.all(members.map((member) => member.start(initialCluster, "new")));
    return new Etcd(members);
  }

  /** The member of that name (`etcd1`…). Fails with `lab_etcd`. */
  member(name: string): EtcdMember {
    const member = this.members.find((candidate) => candidate.name === name);
    if (member !== undefined) return member;
    const names = this.members.map((candidate) => candidate.name).join(", ");
    throw new FleetError("lab_etcd", `no member "${name}" here; there are ${names}`);
  }

  /** The member that leads the others. Fails with `lab_etcd` while none does. */
  async leader(): Promise<EtcdMember> {
    for (const member of this.members) {
      const status = await member.status();
      if (status?.leader !== undefined && status.leader === status.header.member_id) return member;
    }
    throw new FleetError("lab_etcd", "no member leads");
  }

  /**
   * A call of the JSON gateway, such as `kv/range`, to the first member that answers it with 200, else the last
   * answer. Fails with `lab_etcd` when there is none.
   */
  async call(path: string, body: unknown): Promise<EtcdAnswer> {
    const problems: string[] = [];
    let last: EtcdAnswer | undefined;
    for (const member of this.members.filter(({ running, paused }) => running && !paused)) {
      try {
        last = await member.call(path, body);
        if (last.status === 200) return last;
      } catch (error) {
        problems.push(`${member.name}: ${errorMessage(error)}`);
      }
    }
    if (last !== undefined) return last;
    throw new FleetError("lab_etcd", `no member answers ${path}: ${problems.join("; ") || "none runs"}`);
  }

  /**
   * A member whose disk is lost is taken out of the cluster, and an empty one put in its place at its addresses, as
   * an operator does it. Takes a quorum of the others; fails with `lab_etcd`.
   */
  async replace(member: EtcdMember): Promise<void> {
    await member.wipe();
    const listed = membersAnswer.parse(JSON.parse(await this.#settled("cluster/member/list", {})));
    const lost = listed.members.find(({ peerURLs }) => peerURLs.includes(member.peerUrl));
    if (lost !== undefined) await this.#settled("cluster/member/remove", { ID: lost.ID });
    await this.#settled("cluster/member/add", { peerURLs: [member.peerUrl] });
    const cluster = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    await member.start(cluster, "existing");
  }

  /** A call about the membership, again until the others have settled what stands in its way. */
  async #settled(path: string, body: unknown): Promise<string> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (true) {
      const answer = await this.call(path, body).catch((error: unknown) => ({
        status: 0,
        text: errorMessage(error),
      }));
      if (answer.status === 200) return answer.text;
      // Members that have only just connected, or elect a leader, refuse ("unhealthy cluster").
      if (performance.now() > deadline) throw new FleetError("lab_etcd", `${path}: ${answer.text}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
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
  #paused = false;

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

  /** Whether it is frozen by pause(). */
  get paused(): boolean {
    return this.#paused;
  }

  /** Starts the member and waits until it serves reads, which takes a quorum. Fails with `lab_etcd`. */
  async start(initialCluster: string, state: "new" | "existing"): Promise<void> {
    this.#initialCluster = initialCluster;
    this.#paused = false;
    const process = await LabProcess.start({
      command: [
        ...["etcd", "--name", this.name],
        ...["--data-dir", this.#data],
        ...["--listen-client-urls", this.clientUrl, "--advertise-client-urls", this.clientUrl],
        ...["--listen-peer-urls", this.peerUrl, "--initial-advertise-peer-urls", this.peerUrl],
        ...["--initial-cluster", initialCluster, "--initial-cluster-token", this.#directory.controlGroup],
        ...["--initial-cluster-state", state],
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
    // What is frozen does not end before it goes on.
    this.resume();
    await this.#process?.stop(5_000);
  }

  /** SIGKILL; the data stays. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Stops the member if it runs, and starts it with the data it had. */
  async restart(): Promise<void> {
    await this.stop();
    // What it has on its disk counts, not what it was started with at first.
    await this.start(this.#initialCluster, "new");
  }

  /** SIGKILL, and its disk is lost. Only `Etcd.replace` brings it back: etcd refuses a member without its data. */
  async wipe(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** What it says about itself; undefined when it does not answer. */
  async status(): Promise<z.output<typeof statusAnswer> | undefined> {
    if (!this.running || this.#paused) return undefined;
    try {
      const { text } = await this.call("maintenance/status", {});
      return statusAnswer.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  /** A call of its JSON gateway. Rejects when there is no answer within 5 s. */
  async call(path: string, body: unknown): Promise<EtcdAnswer> {
    const answer = await fetch(`${this.clientUrl}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void {
    this.#paused = true;
    this.#process?.signal("SIGSTOP");
  }

  resume(): void {
    this.#paused = false;
    this.#process?.signal("SIGCONT");
  }

  get #data(): string {
    return join(this.#directory.path, this.name, "data");
  }
}

/** See Etcd.start. */
export function startEtcd(options: EtcdOptions): Promise<Etcd> {
  return Etcd.start(options);
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
