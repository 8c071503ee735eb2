import { randomBytes } from "node:crypto";
import { FleetError } from "@fleet/runtime";
import type { LabDirectory } from "./lab-directory.ts";
import { runCommand } from "./process.ts";

const LARGEST_SUBNET = 255;
const LARGEST_HOST = 254;
const COMMAND_TIMEOUT_MS = 10_000;

/**
 * The network of a lab's full machines: a bridge on the host with a subnet 172.18.<n>.0/24 of its own, in which the
 * host is number 1.
 *
 * Invariants:
 * - The bridge is named after the lab's id: a sweep finds it without a note of it.
 * - The subnet is claimed by an alternative name of the bridge, of which the kernel has only one. So labs that start
 *   at once get different ones, and a claim goes with its bridge.
 */
export class LabNetwork {
  readonly bridge: string;
  /** The host's address, under which it offers etcd to the machines. */
  readonly hostAddress: string;
  readonly #subnet: number;
  #lastHost = 10;

  private constructor(bridge: string, subnet: number) {
    this.bridge = bridge;
    this.hostAddress = `172.18.${subnet}.1`;
    this.#subnet = subnet;
  }

  /** Creates it. The lab's end removes it. Fails with `lab_network` when no subnet is free. */
  static async create(directory: LabDirectory): Promise<LabNetwork> {
    const { bridge } = directory;
    // Left to itself a bridge takes the least address of its ports, so another one whenever a machine comes or goes:
    // the others would talk to the old one until they ask again, which takes them seconds.
    await ip("link", "add", bridge, "address", ownAddress(), "type", "bridge");
    const subnet = await claimSubnet(bridge);
    const network = new LabNetwork(bridge, subnet);
    await ip("address", "add", `${network.hostAddress}/24`, "dev", bridge);
    await ip("link", "set", bridge, "up");
    return network;
  }

  /** A place for one more machine. */
  place(): NetworkPlace {
    if (this.#lastHost === LARGEST_HOST) throw new FleetError("lab_network", "the lab's subnet is full");
    this.#lastHost += 1;
    return new NetworkPlace(this, this.#subnet, this.#lastHost);
  }
}

/** Where a machine is plugged in. */
export class NetworkPlace {
  readonly address: string;
  readonly hostAddress: string;
  readonly bridge: string;
  /** What systemd-nspawn has to be told as the container's name, so that the port has its name. */
  readonly container: string;
  /** The host's end of the cable; exists while the machine is on. */
  readonly port: string;

  constructor(network: LabNetwork, subnet: number, host: number) {
    this.address = `172.18.${subnet}.${host}`;
    this.hostAddress = network.hostAddress;
    this.bridge = network.bridge;
    // Unique on the host, because the subnet is. systemd-nspawn shortens a port's name beyond 15 characters.
    this.container = `fl${subnet}-${host}`;
    this.port = `vb-${this.container}`;
  }

  /** Takes the cable out: no packet comes or goes, nobody is told. Until plugIn() or the next boot. */
  async unplug(): Promise<void> {
    await ip("link", "set", this.port, "down");
  }

  async plugIn(): Promise<void> {
    await ip("link", "set", this.port, "up");
  }
}

/** A random hardware address of those that anybody may use. */
function ownAddress(): string {
  return ["02", ...(randomBytes(5).toString("hex").match(/../g) ?? [])].join(":");
}

async function claimSubnet(bridge: string): Promise<number> {
  const routes = await ip("-4", "route", "show", "table", "all");
  for (let subnet = 0; subnet <= LARGEST_SUBNET; subnet += 1) {
    if (isRouted(routes, subnet)) continue;
    const claim = ["link", "property", "add", "dev", bridge, "altname", `fleet-172.18.${subnet}`];
    if ((await runIp(claim)).exitCode === 0) return subnet;
  }
  throw new FleetError(
    "lab_network",
    `no subnet 172.18.<n>.0/24 is free here for the machines; this host's routes are:\n${routes}`,
  );
}

/** Whether one of the host's routes, but a default one, overlaps 172.18.<subnet>.0/24. */
function isRouted(routes: string, subnet: number): boolean {
  for (const [, address = "", bits = "32"] of routes.matchAll(/\b(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?/g)) {
    const common = Math.min(24, Number(bits));
    const shift = 32 - common;
    if (common > 0 && numberOf(address) >>> shift === numberOf(`172.18.${subnet}.0`) >>> shift) return true;
  }
  return false;
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

async function ip(...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runIp(args);
  if (exitCode !== 0) throw new FleetError("lab_network", `ip ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

function runIp(args: readonly string[]): ReturnType<typeof runCommand> {
  return runCommand(["ip", ...args], { env: process.env, timeoutMs: COMMAND_TIMEOUT_MS });
}
