import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Etcd3Store, StoreError } from "@fleet/registry";
import { systemClock, systemRandom } from "@fleet/runtime";

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An etcd of its own, on loopback ports of its own; `stop` leaves nothing behind. */
export class RealEtcd {
  readonly endpoint: string;
  readonly directory: string;
  readonly #tls: TlsFiles | undefined;
  readonly #ports: readonly [number, number];
  #watchdog: ChildProcess | undefined;
  #process: ChildProcess | undefined;

  private constructor(directory: string, ports: readonly [number, number], tls: TlsFiles | undefined) {
    this.directory = directory;
    this.#ports = ports;
    this.#tls = tls;
    this.endpoint = `${tls === undefined ? "http" : "https"}://127.0.0.1:${ports[0]}`;
  }

  static async start(tls?: TlsFiles): Promise<RealEtcd> {
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const directory = mkdtempSync(join(base, "fleet-etcd-"));
    const etcd = new RealEtcd(directory, [await freePort(), await freePort()], tls);
    try {
      await etcd.run();
    } catch (error) {
      await etcd.stop();
      throw error;
    }
    return etcd;
  }

  /** Starts the process and waits until it listens; also after `kill`, with the data it had. */
  async run(): Promise<void> {
    const [clientPort, peerPort] = this.#ports;
    const peer = `http://127.0.0.1:${peerPort}`;
    const tls = this.#tls;
    const child = spawn(
      "/usr/bin/etcd",
      [
        ["--data-dir", join(this.directory, "data")],
        ["--listen-client-urls", this.endpoint],
        ["--advertise-client-urls", this.endpoint],
        ["--listen-peer-urls", peer],
        ["--initial-advertise-peer-urls", peer],
        ["--initial-cluster", `default=${peer}`],
        ["--unsafe-no-fsync"],
        tls === undefined ? [] : ["--client-cert-auth", "--trusted-ca-file", tls.ca],
        tls === undefined ? [] : ["--cert-file", tls.cert, "--key-file", tls.key],
      ].flat(),
      { stdio: "ignore", env: { PATH: process.env.PATH } },
    );
    this.#process = child;
    this.#watchdog = watchdog(child.pid, this.directory);
    await portOpen(clientPort, child);
  }

  /** As a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    this.#watchdog?.kill("SIGKILL");
    this.#watchdog = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** Stops answering while its connections stay open, as behind a firewall that drops everything. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  client(options: Partial<ConstructorParameters<typeof Etcd3Store>[0]> = {}): Etcd3Store {
    return new Etcd3Store({
      endpoints: [this.endpoint],
      requestTimeoutMs: 2_000,
      clock: systemClock,
      random: systemRandom,
      ...options,
    });
  }
}

/** Waits until the store answers; after a start etcd needs a moment to elect itself. */
export async function answering(store: Etcd3Store, key = "x"): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await store.range({ from: key });
      return;
    } catch (error) {
      if (!(error instanceof StoreError) || attempt >= 100) throw error;
      await delay(100);
    }
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/**
 * Ends etcd and removes its data when the test process is gone, however it went: its end of the pipe closes then. A
 * test that fails before it can clean up, or a killed run, leaves nothing behind.
 */
function watchdog(pid: number | undefined, directory: string): ChildProcess {
  const script = 'read -r _; kill -9 "$0"; rm -rf "$1"';
  return spawn("/bin/sh", ["-c", script, String(pid), directory], { stdio: ["pipe", "ignore", "ignore"] });
}

async function portOpen(port: number, child: ChildProcess): Promise<void> {
  const { connect } = await import("node:net");
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await delay(50);
  }
  throw new Error("etcd does not listen");
}
