import { createServer, type Server, Socket } from "node:net";
import { FleetError } from "@fleet/runtime";

/**
 * What a proxy does with its connections.
 * - `pass`: forwards them.
 * - `drop`: keeps them open and forwards nothing, as a network that loses every packet does.
 * - `refuse`: closes them and every new one, as a dead host behind a live switch does.
 */
export type ProxyMode = "pass" | "drop" | "refuse";

/**
 * A TCP port in front of another: the cable that a lab can pull.
 *
 * Invariants: in mode `drop` no byte crosses, and nothing that was sent is lost when it passes again (TCP would
 * retransmit it); both ends of a pair close together.
 */
export class TcpProxy {
  readonly host: string;
  readonly port: number;
  #server: Server;
  #target: { readonly host: string; readonly port: number };
  #mode: ProxyMode = "pass";
  #pairs = new Set<Pair>();

  private constructor(
    server: Server,
    address: { host: string; port: number },
    target: { host: string; port: number },
  ) {
    this.#server = server;
    this.host = address.host;
    this.port = address.port;
    this.#target = target;
    server.on("connection", (client) => this.#accept(client));
  }

  /** Listens on a free port of the host's address. */
  static async start(targetUrl: string, host = "127.0.0.1"): Promise<TcpProxy> {
    const url = new URL(targetUrl);
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, host, resolve);
    });
    const address = server.address();
    if (typeof address !== "object" || address === null) {
      throw new FleetError("lab_proxy", "the proxy has no port");
    }
    return new TcpProxy(server, { host, port: address.port }, { host: url.hostname, port: Number(url.port) });
  }

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  set mode(mode: ProxyMode) {
    // Forwarding what is forwarded already would send every byte twice.
    if (mode === this.#mode) return;
    this.#mode = mode;
    for (const pair of [...this.#pairs]) {
      if (mode === "refuse") pair.destroy();
      else if (mode === "drop") pair.hold();
      else pair.release();
    }
  }

  async close(): Promise<void> {
    for (const pair of [...this.#pairs]) pair.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    if (this.#mode === "refuse") {
      client.resetAndDestroy();
      return;
    }
    const pair = new Pair(client, this.#target, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#mode === "pass") pair.release();
  }
}

/** A connection of a client and the one it is forwarded to, which is opened once something may pass. */
class Pair {
  #client: Socket;
  #target: { readonly host: string; readonly port: number };
  #server: Socket | undefined;
  #onClose: () => void;

  constructor(client: Socket, target: { host: string; port: number }, onClose: () => void) {
    this.#client = client;
    this.#target = target;
    this.#onClose = onClose;
    this.#closeTogether(client);
  }

  hold(): void {
    // Unpiped streams keep what they have read; paused ones stop reading, and TCP's window holds the rest back.
    this.#client.unpipe();
    this.#client.pause();
    this.#server?.unpipe();
    this.#server?.pause();
  }

  release(): void {
    if (this.#server === undefined) {
      this.#server = new Socket();
      this.#closeTogether(this.#server);
      this.#server.setNoDelay(true);
      this.#client.setNoDelay(true);
      this.#server.connect(this.#target);
    }
    this.#client.pipe(this.#server);
    this.#server.pipe(this.#client);
  }

  destroy(): void {
    this.#client.destroy();
    this.#server?.destroy();
    this.#onClose();
  }

  #closeTogether(socket: Socket): void {
    socket.on("close", () => this.destroy());
    // The close that follows tells the other end; why a peer went away is of no interest to a cable.
    socket.on("error", () => undefined);
  }
}
