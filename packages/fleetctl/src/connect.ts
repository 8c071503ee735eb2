import { FleetClient, parseEndpoint } from "@fleet/api/client";
import type { FlagValues } from "./cli/flag.ts";
import { CommandFailure } from "./failure.ts";
import { readTlsFiles } from "./tls-files.ts";

/** The API of the endpoint that the flags name. Throws CommandFailure; a daemon is not connected to yet. */
export async function connect(flags: FlagValues, say: (line: string) => void): Promise<FleetClient> {
  if (flags.text("driver").toLowerCase() === "etcd") {
    const { connectToEtcd } = await import("./etcd-driver/connect-to-etcd.ts");
    return await connectToEtcd(flags);
  }
  const text = flags.text("endpoint");
  if (text.includes(",")) {
    say(`WARNING: of several endpoints only the first is used: ${text.split(",")[0]}`);
  }
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) throw new CommandFailure(`Unable to initialize client: ${endpoint.problem}`);
  const tls = await readTlsFiles(flags, { ca: ["ca-file"], cert: ["cert-file"], key: ["key-file"] });
  return new FleetClient({
    endpoint: endpoint.value,
    requestTimeoutMs: flags.milliseconds("request-timeout"),
    tls,
  });
}
