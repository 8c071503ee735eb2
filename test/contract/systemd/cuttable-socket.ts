import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A unix socket that passes everything on to another one, and can stop doing so. */
export class CuttableSocket {
  readonly path: string;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #stalled = false;

  constructor(path: string, target: string) {
    this.path = path;
    this.#target = target;
  }

  async listen(): Promise<void> {
    await rm(this.path, { force: true });
    const server = createServer((client) => this.#forward(client));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.path, resolve));
  }

  /** Ends all connections and refuses new ones until `listen`. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Connections stay open, and nothing comes through from the other side. */
  stall(): void {
    this.#stalled = true;
  }

  #forward(client: Socket): void {
    const upstream = connect(this.#target);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (bytes) => {
        if (!this.#stalled) to.write(bytes);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }
}
