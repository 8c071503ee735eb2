import type { ChangeBatch } from "@fleet/registry";
import { type Clock, FleetError, type Logger } from "@fleet/runtime";
import type { AgentRegistry, Registration } from "./ports.ts";

export interface PresenceOptions {
  readonly machineId: string;
  /** Random, kept on tmpfs: a restarted agent has the same one, another process with this machine id has not. */
  readonly token: string;
  readonly publicIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
  /** After this long without a keep-alive the machine counts as lost. */
  readonly ttlMs: number;
  readonly registry: AgentRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRegistered: (registration: Registration) => Promise<void>;
  readonly onChanges: (batch: ChangeBatch) => void;
  readonly onLost: () => void;
}

/** Keeps the machine registered and hears its assignments while it is. */
export class Presence {
  readonly #options: PresenceOptions;
  #drop: AbortController | undefined;
  #refusedBy: string | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Gives the present registration up and makes the next one find out why it no longer holds. */
  drop(reason: FleetError): void {
    this.#drop?.abort(reason);
  }

  /** One registration from beginning to end. Throws when the machine cannot be registered; never returns else. */
  async run(signal: AbortSignal): Promise<void> {
    const { registry, machineId, token, publicIp, metadata, version, ttlMs } = this.#options;
    await registry.guard.open(signal);
    const outcome = await registry.registrations.register(
      { machineId, token, publicIp, metadata, version, ttlMs },
      signal,
    );
    if (outcome.outcome === "refused") throw this.#refusal(outcome.holder);
    this.#refusedBy = undefined;
    await this.#hold(outcome.registration, signal);
  }

  async #hold(registration: Registration, signal: AbortSignal): Promise<void> {
    const { registry, machineId, onRegistered, onChanges, onLost } = this.#options;
    const drop = new AbortController();
    this.#drop = drop;
    const held = AbortSignal.any([signal, registration.lost, drop.signal]);
    try {
      await onRegistered(registration);
      for await (const batch of registry.followMachine(machineId, held)) {
        // Read before it was known that the registration is lost, say because the registry was seeded anew.
        if (held.aborted) break;
        onChanges(batch);
      }
    } catch (error) {
      if (!held.aborted) throw error;
    } finally {
      this.#drop = undefined;
      onLost();
    }
    if (signal.aborted) return;
    throw drop.signal.aborted ? drop.signal.reason : lost(registration.number);
  }

  #refusal(holder: string): FleetError {
    const { machineId, logger } = this.#options;
    if (this.#refusedBy !== holder) {
      this.#refusedBy = holder;
      logger.error("registration_refused", { machine: machineId, holder });
    }
    return new FleetError(
      "machine_id_taken",
      `machine ${machineId} is registered by another fleetd (${holder}); this one waits until that one is gone`,
      { retryable: true },
    );
  }
}

function lost(registration: number): FleetError {
  return new FleetError("registration_lost", `registration ${registration} has expired`, { retryable: true });
}
