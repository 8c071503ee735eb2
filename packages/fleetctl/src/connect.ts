import { FleetClient, parseEndpoints } from "@fleet/api/client";
import type { FlagValues } from "./cli/flag.ts";
import { failoverWarning } from "./failover-warning.ts";
import { CommandFailure } from "./failure.ts";
import type { Invocation } from "./invocation.ts";
import { readTlsFiles } from "./tls-files.ts";

type Surroundings = Pick<Invocation, "environment" | "say" | "relay" | "isTerminal">;

/** The API of the endpoints that the flags name. Throws CommandFailure; a daemon is not connected to yet. */
export async function connect(flags: FlagValues, surroundings: Surroundings): Promise<FleetClient> {
  const tunnelled = flags.text("tunnel") !== "";
  if (flags.text("driver").toLowerCase() === "etcd") {
    if (tunnelled)
      throw new CommandFailure("--tunnel leads to a daemon, not to etcd: leave out --driver=etcd");
    const { connectToEtcd } = await import("./etcd-driver/connect-to-etcd.ts");
    return await connectToEtcd(flags);
  }
  const endpoints = parseEndpoints(flags.text("endpoint"));
  if (!endpoints.ok) throw new CommandFailure(`Unable to initialize client: ${endpoints.problem}`);
  const [endpoint, ...alternatives] = endpoints.value;
  const tls = await readTlsFiles(flags, { ca: ["ca-file"], cert: ["cert-file"], key: ["key-file"] });
  return new FleetClient({
    endpoint,
    alternatives,
    onFailover: failoverWarning(surroundings.say),
    requestTimeoutMs: flags.milliseconds("request-timeout"),
    tls,
    ...(tunnelled ? (await import("./remote/tunnelled.ts")).tunnelled(flags, surroundings) : {}),
  });
}
