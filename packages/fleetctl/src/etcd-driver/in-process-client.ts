import { type Duplex, duplexPair } from "node:stream";
import { createApi } from "@fleet/api";
import { FleetClient } from "@fleet/api/client";
import type { Registry } from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { VERSION } from "../version.ts";

/** Rows on a page: both ends are in one process, so that pages need not be small. */
const pageLimit = 1_000;

/** How much longer the client waits than the API it waits for, which knows better what is wrong. */
const clientPatienceMs = 500;

/**
 * The daemon's own API over a registry, and a client of it, in this process and without a socket: what a daemon would
 * refuse is refused, word for word, and nothing is decided in two places.
 *
 * `close` ends the API, the registry's watches and, by `release`, what the registry stands on.
 */
export async function inProcessClient(
  registry: Registry,
  requestTimeoutMs: number,
  release: () => void,
): Promise<FleetClient> {
  const api = await createApi({
    registry,
    clock: systemClock,
    random: systemRandom,
    // What goes wrong is told to the user once, by the command that meets it.
    logger: silentLogger,
    version: VERSION,
    tokenLimit: pageLimit,
    deadlineMs: requestTimeoutMs,
  });
  const server = api.createServer();
  const dial = (): Duplex => {
    const [ours, theirs] = duplexPair();
    // As with a socket: the server learns that its client is gone.
    ours.once("close", () => theirs.destroy());
    server.emit("connection", theirs);
    return ours;
  };
  const end = async (): Promise<void> => {
    try {
      await api.close();
    } finally {
      release();
    }
  };
  return new InProcessClient(dial, requestTimeoutMs + clientPatienceMs, end);
}

class InProcessClient extends FleetClient {
  readonly #end: () => Promise<void>;

  constructor(dial: () => Duplex, requestTimeoutMs: number, end: () => Promise<void>) {
    super({
      endpoint: { kind: "tcp", secure: false, hostname: "localhost", port: 80 },
      requestTimeoutMs,
      dial,
    });
    this.#end = end;
  }

  override close(): void {
    super.close();
    // The command is over and has been told its outcome: nobody is left to be told of a failure to tidy up.
    this.#end().catch(() => {});
  }
}
