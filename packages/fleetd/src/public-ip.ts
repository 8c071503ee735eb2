import { readFile } from "node:fs/promises";
import type { NetworkInterfaceInfo } from "node:os";

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** The kernel's IPv4 routes as text; empty where there is no such file. */
export async function readRoutes(path = "/proc/net/route"): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

/**
 * The address under which other machines reach this one, for people and ssh: that of the interface of the
 * default route, else the first that is not loopback, IPv4 before IPv6; empty when there is none.
 */
export function detectPublicIp(routes: string, interfaces: Interfaces): string {
  const routed = defaultInterface(routes);
  const candidates = [
    ...(routed === undefined ? [] : (interfaces[routed] ?? [])),
    ...Object.values(interfaces).flatMap((addresses) => addresses ?? []),
  ].filter((address) => !address.internal && !isLinkLocal(address.address));
  const best = candidates.find((address) => address.family === "IPv4") ?? candidates[0];
  return best?.address ?? "";
}

/** The interface of the default route with the lowest metric. */
function defaultInterface(routes: string): string | undefined {
  const found = routes
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000")
    .map(([name, , , , , , metric]) => ({ name, metric: Number(metric) }))
    .sort((one, other) => one.metric - other.metric);
  return found[0]?.name;
}

function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || address.toLowerCase().startsWith("fe80:");
}
