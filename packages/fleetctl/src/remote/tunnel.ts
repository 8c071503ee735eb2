import { Duplex } from "node:stream";
import type { Endpoint } from "@fleet/api/client";
import { errorCode, errorMessage } from "@fleet/runtime";
import { type ChildEnd, ChildStream } from "./child-stream.ts";
import { shellLine } from "./shell-words.ts";
import { tunnelArguments } from "./ssh-arguments.ts";
import type { SshDestination } from "./ssh-destination.ts";
import type { SshSettings } from "./ssh-settings.ts";
import { sshTrouble } from "./ssh-trouble.ts";
import { TunnelFailure } from "./tunnel-failure.ts";

export interface TunnelOptions {
  readonly settings: SshSettings;
  readonly host: SshDestination;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly say: (line: string) => void;
  /** Gets what ssh says meanwhile, and has its command line told; absent: only failures are. */
  readonly debug?: (bytes: Uint8Array) => void;
}

/** Lines of ssh's own that are shown of a failure. */
const shownLines = 20;

/**
 * Connections to an endpoint through a host, each of them one `ssh`.
 *
 * As long as none of them has come up, the first failure is that of all: nobody is asked for the same password eight
 * times, or waits for the same dead host again and again.
 */
export class Tunnel {
  readonly #options: TunnelOptions;
  #wasUp = false;
  #failure: TunnelFailure | undefined;

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  /** Opens a connection. One that cannot be opened is a stream that fails with TunnelFailure. */
  dial(endpoint: Endpoint): Duplex {
    if (this.#failure !== undefined && !this.#wasUp) return failing(this.#failure);
    const { settings, host, environment, say, debug } = this.#options;
    const args = tunnelArguments(settings, host, endpoint);
    if (debug !== undefined) say(`Tunnel: ${shellLine(["ssh", ...args])}`);
    // Connecting is over by then.
    const slow = setTimeout(() => say(stillWaiting(this.#options)), settings.connectTimeoutSeconds * 1000);
    return new ChildStream({
      command: "ssh",
      args,
      environment,
      failureOf: (end) => {
        clearTimeout(slow);
        // A daemon that closes a connection it has used ends the session in order.
        if (end.code === 0 && end.wasUp) return undefined;
        this.#failure = failureOf(end, endpoint, this.#options);
        return this.#failure;
      },
      onUp: () => {
        clearTimeout(slow);
        this.#wasUp = true;
      },
      ...(debug === undefined ? {} : { onStderr: debug }),
    });
  }
}

function stillWaiting({ settings, host }: TunnelOptions): string {
  return (
    `Still waiting for an answer through ${nameOf(settings, host)}: ssh may be asking for a password, ` +
    "or what it connects to does not answer."
  );
}

function nameOf(settings: SshSettings, { user = settings.user, host, port }: SshDestination): string {
  return `${user}@${host}${port === undefined ? "" : `:${port}`}`;
}

function failing(failure: TunnelFailure): Duplex {
  const stream = new Duplex({ read() {}, write() {} });
  // Not before those who asked for the connection listen to it.
  setImmediate(() => stream.destroy(failure));
  return stream;
}

function failureOf(end: ChildEnd, endpoint: Endpoint, { settings, host }: TunnelOptions): TunnelFailure {
  const where = nameOf(settings, host);
  const message = end.wasUp ? `the tunnel through ${where} broke` : `no tunnel through ${where}`;
  const lines = end.stderr
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .slice(-shownLines);
  return new TunnelFailure(`${message}: ${reasonOf(end, endpoint)}`, {
    wasUp: end.wasUp,
    hints: [...lines, ...hintsOf(end, endpoint, settings, host)],
    cause: end.error,
  });
}

function reasonOf({ code, signal, error }: ChildEnd, endpoint: Endpoint): string {
  if (error !== undefined) {
    if (errorCode(error) !== "ENOENT") return `ssh cannot be run: ${errorMessage(error)}`;
    return "ssh cannot be run: it is not installed, or not in PATH";
  }
  if (signal !== null) return `ssh was ended by ${signal}`;
  if (endpoint.kind === "unix" && code === 127) return "no fleetctl there";
  if (endpoint.kind === "unix" && code !== 255 && code !== 0) {
    return `fleetctl fd-forward there failed with exit code ${code}`;
  }
  return code === 0 ? "ssh ended without an answer" : `ssh failed with exit code ${code}`;
}

function hintsOf(
  { code, stderr }: ChildEnd,
  endpoint: Endpoint,
  settings: SshSettings,
  { user = settings.user, host, port }: SshDestination,
): readonly string[] {
  if (endpoint.kind === "unix" && code === 127) {
    return [
      `A unix socket is reached by "fleetctl fd-forward" on ${host}: it must be in the PATH that ssh gives to commands.`,
      "Without it, choose an endpoint that listens on TCP, as that host reaches it: --endpoint=http://127.0.0.1:49153",
    ];
  }
  const { hostKeys } = settings;
  const knownHostsFile = hostKeys.check ? hostKeys.files[0] : undefined;
  return sshTrouble(stderr, { user, host, port, knownHostsFile });
}
