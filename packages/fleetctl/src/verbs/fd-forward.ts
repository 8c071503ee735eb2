import { closeSync, createReadStream, createWriteStream, fstatSync } from "node:fs";
import { createConnection, Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { AbortedError, errorCode, errorMessage } from "@fleet/runtime";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";

/**
 * Connects stdin and stdout with a unix socket, for `ssh HOST fleetctl fd-forward SOCKET`. The end of one direction is
 * passed on and leaves the other open; the command is done when both have ended.
 */
export async function fdForward({ args, signal }: Invocation): Promise<number> {
  const [path, ...more] = args;
  if (path === undefined || path === "" || more.length > 0) {
    throw new CommandFailure("One socket must be provided, as in: fleetctl fd-forward /var/run/fleet.sock");
  }
  const socket = await connected(path);
  const input = standardInput();
  const output = standardOutput();
  const abort = (): void => {
    socket.destroy(new AbortedError(signal.reason));
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    const upwards = carry(input, socket);
    const downwards = carry(socket, output).then(() => closeOutputs(output));
    await Promise.all([upwards, downwards]);
    return 0;
  } catch (error) {
    // The other side is gone: so end connections, and nobody is left to be told.
    if (["EPIPE", "ECONNRESET"].includes(errorCode(error))) return 0;
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    for (const stream of [input, socket, output]) stream.destroy();
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error) => {
      const denied = errorCode(error) === "EACCES";
      const hint = denied
        ? "This user may not open it: that takes root, or its group (SocketGroup= in fleet.socket)."
        : "Is fleetd running on this machine?";
      const message = `fd-forward: cannot connect to ${path}: ${errorMessage(error)}`;
      reject(new CommandFailure(message, { hints: [hint], cause: error }));
    });
  });
}

/** Resolves when all that came from `from` until its end has been handed over, and the end with it. */
function carry(from: Readable, to: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    from.once("error", reject);
    to.once("error", reject);
    to.once("finish", resolve);
    from.once("close", () => to.end());
    from.pipe(to);
  });
}

/**
 * Lets the reader of stdout see its end while the other direction goes on. sshd passes that on only once stderr has
 * ended, too; nothing is said there from now on.
 */
function closeOutputs(output: Writable): void {
  output.destroy();
  closeSync(2);
}

function standardInput(): Readable {
  return isStream(0)
    ? new Socket({ fd: 0, readable: true, writable: false })
    : createReadStream("", { fd: 0 });
}

function standardOutput(): Writable {
  return isStream(1)
    ? new Socket({ fd: 1, readable: false, writable: true })
    : createWriteStream("", { fd: 1 });
}

/** A pipe or a socket, as sshd gives: what a Socket takes. */
function isStream(fd: number): boolean {
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket();
}
