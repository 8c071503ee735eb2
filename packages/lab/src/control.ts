import { createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import { z } from "zod";
import type { Cluster } from "./cluster.ts";
import { runLabCommand } from "./commands.ts";
import { labsRoot, ownerOf } from "./lab-directory.ts";

const requestSchema = z.object({ command: z.string(), args: z.array(z.string()) });
const answerSchema = z.union([
  z.object({ output: z.string() }),
  z.object({ code: z.string(), message: z.string() }),
]);

type Answer = z.output<typeof answerSchema>;

/**
 * Lets other processes of the same user run commands on a lab: one JSON request and one JSON answer a connection,
 * on a unix socket in the lab's directory.
 */
export class ControlServer {
  #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `down` is called, after its answer is sent, when somebody asks for the lab's end. */
  static async listen(cluster: Cluster, down: () => void): Promise<ControlServer> {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      createInterface({ input: socket }).once("line", (line) => {
        void serve(cluster, line, socket, down);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(join(cluster.directory.path, "control"), resolve);
    });
    return new ControlServer(server);
  }

  close(): void {
    this.#server.close();
  }
}

/**
 * Runs a command on the lab of that name, whoever keeps it, and returns its output.
 *
 * Fails with `lab_not_running`, or as the command did.
 */
export async function askLab(name: string, command: string, args: readonly string[]): Promise<string> {
  const directory = join(labsRoot(), name);
  if (ownerOf(directory) === undefined) {
    throw new FleetError(
      "lab_not_running",
      `no lab named "${name}" is running: start it with "fleet-lab up"`,
    );
  }
  const answer = await exchange(join(directory, "control"), JSON.stringify({ command, args }));
  if ("output" in answer) return answer.output;
  throw new FleetError(answer.code, answer.message);
}

async function serve(cluster: Cluster, line: string, socket: Socket, down: () => void): Promise<void> {
  let answer: Answer;
  let ends = false;
  try {
    const { command, args } = requestSchema.parse(JSON.parse(line));
    ends = command === "down";
    answer = { output: ends ? "" : await runLabCommand(cluster, command, args) };
  } catch (error) {
    answer = { code: errorCode(error), message: errorMessage(error) };
  }
  socket.end(`${JSON.stringify(answer)}\n`, () => {
    if (ends) down();
  });
}

function exchange(socketPath: string, request: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath);
    let text = "";
    const fail = (cause: Error): void =>
      reject(new FleetError("lab_not_running", `the lab does not answer: ${cause.message}`, { cause }));
    socket.setEncoding("utf8");
    socket.on("error", fail);
    socket.on("connect", () => socket.write(`${request}\n`));
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("end", () => {
      try {
        resolve(answerSchema.parse(JSON.parse(text)));
      } catch (error) {
        fail(new Error("its answer was cut short", { cause: error }));
      }
    });
  });
}
