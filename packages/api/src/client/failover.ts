import { type Endpoint, endpointText } from "./endpoint.ts";
import { FleetUnreachableError } from "./errors.ts";
import { type Answer, Transport, type TransportOptions } from "./transport.ts";

export interface FailoverOptions extends TransportOptions {
  /** Endpoints of the same cluster, tried in their order when `endpoint` cannot be reached. */
  readonly alternatives?: readonly Endpoint[];
  /** Called when requests move on to the next endpoint. */
  readonly onFailover?: (unreachable: Endpoint, reason: string, next: Endpoint) => void;
}

/**
 * Sends requests to the first of several endpoints that can be reached, and stays with it until it cannot.
 *
 * A write goes to the next endpoint only when it cannot have reached the last one. Setting a target state and
 * destroying are idempotent, but that is not enough: a daemon that has not answered may still carry the first one out
 * after the second, and after what others have wanted in between; and a unit destroyed by the first would be reported as
 * unknown by the second. Reads go on in every case.
 */
export class Failover {
  readonly #options: FailoverOptions;
  readonly #routes: readonly Route[];
  #current = 0;

  constructor(options: FailoverOptions) {
    this.#options = options;
    const endpoints = [options.endpoint, ...(options.alternatives ?? [])];
    this.#routes = endpoints.map((endpoint) => ({
      endpoint,
      transport: new Transport({ ...options, endpoint }),
    }));
  }

  /** The way to the endpoint that requests go to now. */
  get current(): TransportOptions {
    return { ...this.#options, endpoint: this.#routes[this.#current]?.endpoint ?? this.#options.endpoint };
  }

  /** As Transport does. @throws FleetUnreachableError when no endpoint could be reached, naming each; its cause is the first's. */
  async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    const failures: string[] = [];
    let cause: unknown;
    const start = this.#current;
    for (const [offset, route] of this.#from(start).entries()) {
      try {
        return await route.transport.send(method, path, body, signal);
      } catch (error) {
        if (!(error instanceof FleetUnreachableError) || this.#routes.length === 1) throw error;
        if (error.mayBeSent && method !== "GET") throw unknownOutcome(route.endpoint, error);
        failures.push(`${endpointText(route.endpoint)}: ${error.message}`);
        cause ??= error.cause;
        if (failures.length < this.#routes.length) {
          this.#leave((start + offset) % this.#routes.length, error.message);
        }
      }
    }
    throw new FleetUnreachableError(
      `none of the endpoints can be reached: ${failures.join("; ")}`,
      cause,
      false,
    );
  }

  close(): void {
    for (const { transport } of this.#routes) transport.close();
  }

  #from(start: number): readonly Route[] {
    return [...this.#routes.slice(start), ...this.#routes.slice(0, start)];
  }

  /** Requests that were under way at the same endpoint come to the same end: the first of them moves on for all. */
  #leave(index: number, reason: string): void {
    if (index !== this.#current) return;
    this.#current = (index + 1) % this.#routes.length;
    const [from, to] = [this.#routes[index], this.#routes[this.#current]];
    if (from !== undefined && to !== undefined) {
      this.#options.onFailover?.(from.endpoint, reason, to.endpoint);
    }
  }
}

interface Route {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
}

function unknownOutcome(endpoint: Endpoint, error: FleetUnreachableError): FleetUnreachableError {
  const text =
    `${endpointText(endpoint)}: ${error.message}; what was asked may have been done, ` +
    "and no other endpoint is asked to do it again";
  return new FleetUnreachableError(text, error.cause);
}
