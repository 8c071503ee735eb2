import { readFile } from "node:fs/promises";
import { FleetClient, parseEndpoint } from "@fleet/api/client";
import { errorMessage } from "@fleet/runtime";
import type { FlagValues } from "./cli/flag.ts";
import { CommandFailure } from "./failure.ts";

/** The API of the endpoint that the flags name. Throws CommandFailure; nothing is connected to yet. */
export async function connect(flags: FlagValues, say: (line: string) => void): Promise<FleetClient> {
  const text = flags.text("endpoint");
  if (text.includes(",")) {
    say(`WARNING: of several endpoints only the first is used: ${text.split(",")[0]}`);
  }
  const endpoint = parseEndpoint(text);
  if (!endpoint.ok) throw new CommandFailure(`Unable to initialize client: ${endpoint.problem}`);
  const [ca, cert, key] = await Promise.all(
    ["ca-file", "cert-file", "key-file"].map((flag) => readPem(flag, flags.text(flag))),
  );
  if ((cert === undefined) !== (key === undefined)) {
    throw new CommandFailure("Unable to initialize client: --cert-file and --key-file belong together");
  }
  return new FleetClient({
    endpoint: endpoint.value,
    requestTimeoutMs: flags.milliseconds("request-timeout"),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  });
}

async function readPem(flag: string, path: string): Promise<string | undefined> {
  if (path === "") return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CommandFailure(`Unable to initialize client: --${flag}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
