import { FleetClient, parseEndpoints } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { failoverWarning } from "../failover-warning.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { readTlsFiles } from "../tls-files.ts";
import type { ImportSource } from "./import-source.ts";

export function isEndpoint(from: string): boolean {
  return /^(?:unix|file|https?):/i.test(from);
}

/**
 * Reads units and machines of a running cluster. Asks for nothing but what fleet 1.0 has in its API, and changes
 * nothing there.
 */
export async function readSourceCluster(call: Invocation, from: string): Promise<ImportSource> {
  const endpoints = parseEndpoints(from);
  if (!endpoints.ok) throw new CommandFailure(`--from: ${endpoints.problem}`);
  const { flags, signal } = call;
  const [endpoint, ...alternatives] = endpoints.value;
  const client = new FleetClient({
    endpoint,
    alternatives,
    onFailover: failoverWarning(call.say),
    requestTimeoutMs: flags.milliseconds("request-timeout"),
    tls: await readTlsFiles(flags, { ca: ["ca-file"], cert: ["cert-file"], key: ["key-file"] }),
  });
  try {
    const [units, machines] = await wordedAs(
      (reason) => `Error reading the cluster at ${from}: ${reason}`,
      Promise.all([client.units(signal), client.machines(signal)]),
      "--from, e.g. --from=http://10.0.2.15:49153",
    );
    return {
      kind: "cluster",
      from,
      units: units.map(({ name, options, desiredState }) => ({ name, options, target: desiredState })),
      unreadable: [],
      skipped: [],
      machines,
    };
  } finally {
    client.close();
  }
}
