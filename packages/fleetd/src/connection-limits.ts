import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Requests of one connection under way at the same time. node hands over all that are pipelined at once, so that a
 * single client could keep the whole daemon, and etcd behind it, busy with thousands.
 */
const maxPipelined = 32;

/**
 * Keeps greedy clients from taking a listener away from everybody else.
 *
 * Invariant: a new connection is always let in. When there are too many, the one that has been open for the longest
 * without a request under way is closed in its favour, or else simply the oldest that is not a stream: who floods the
 * listener ends its own connections.
 */
export class ConnectionLimits {
  /** Requests under way, oldest connection first. */
  readonly #underWay = new Map<Socket, number>();
  readonly #streams = new Set<Socket>();

  /** Closes a connection in favour of this new one if there are more than `most`; undefined: no limit. */
  opened(connection: Socket, most = Number.POSITIVE_INFINITY): void {
    this.#underWay.set(connection, 0);
    connection.once("close", () => {
      this.#underWay.delete(connection);
      this.#streams.delete(connection);
    });
    if (this.#underWay.size > most) this.#inFavourOf(connection).destroy();
  }

  /** Whether the request that came on the connection may be answered; if not, the connection is closed. */
  admits(connection: Socket, response: ServerResponse): boolean {
    if (connection.destroyed) return false;
    const underWay = (this.#underWay.get(connection) ?? 0) + 1;
    if (underWay > maxPipelined) {
      connection.destroy();
      return false;
    }
    this.#underWay.set(connection, underWay);
    response.once("close", () => {
      const before = this.#underWay.get(connection);
      if (before !== undefined) this.#underWay.set(connection, before - 1);
    });
    return true;
  }

  /** The connection has become a stream, whose number is limited elsewhere. */
  upgraded(connection: Socket): void {
    if (this.#underWay.has(connection)) this.#streams.add(connection);
  }

  #inFavourOf(newcomer: Socket): Socket {
    let oldest: Socket | undefined;
    for (const [connection, underWay] of this.#underWay) {
      if (this.#streams.has(connection) || connection === newcomer) continue;
      if (underWay === 0) return connection;
      oldest ??= connection;
    }
    return oldest ?? newcomer;
  }
}
