import { type Clock, errorCode, FleetError, type Logger, throwIfAborted } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { type MachineRecord, machineCodec } from "./records.ts";
import { MachineRegistration, type Registration } from "./registration.ts";
import { readAll } from "./snapshot.ts";
import { type Compare, type KeyValue, type Operation, type Store, StoreError } from "./store.ts";

export interface RegistrationRequest {
  readonly machineId: string;
  /** Random, the same after a restart of fleetd, another one after a reboot. */
  readonly token: string;
  /** Empty when unknown. */
  readonly publicIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of this fleetd. */
  readonly version: string;
  /** agent_ttl: how long the machine counts as present after its agent was last heard of. */
  readonly ttlMs: number;
}

export type RegisterOutcome =
  | { readonly outcome: "registered"; readonly registration: Registration }
  | {
      /** Another machine (or this one before its reboot) holds the id. */
      readonly outcome: "refused";
      /** Its public IP; empty when unknown. */
      readonly holder: string;
    };

export interface RegistrationsOptions {
  readonly store: Store;
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The data formats that this fleetd reads. */
  readonly formats: readonly number[];
}

/** State rows moved to another lease in one transaction; each needs a compare of its own beside the fence. */
const adoptedPerTransaction = 100;

/** The machine's row as just written: its create and its mod revision. */
interface Claim {
  readonly number: number;
  readonly fence: number;
}

/** What a key that hangs on no lease says. */
const noLease = "0";

/** Presence of machines: `machines/<id>` and the state rows, on the machine's lease. */
export class Registrations {
  readonly #options: RegistrationsOptions;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  /**
   * Registers the machine: anew, or by taking over what its own earlier process left (same token; the registration
   * number and the state rows stay). Rejects with StoreError or the frozen error.
   */
  async register(request: RegistrationRequest, signal: AbortSignal): Promise<RegisterOutcome> {
    const { store, guard, keys, clock, logger } = this.#options;
    const key = keys.machine(request.machineId);
    const { epochOver } = guard;
    for (;;) {
      throwIfAborted(signal);
      const previous = (await guard.range({ from: key })).rows[0];
      if (previous !== undefined && tokenOf(previous) !== request.token) {
        return { outcome: "refused", holder: holderOf(previous) };
      }
      throwIfAborted(signal);
      const grantSentAtMs = clock.monotonic();
      const grant = await store.leaseGrant(request.ttlMs);
      const keeper = new LeaseKeeper({ store, clock, grant, grantSentAtMs });
      const record = recordOf(request, this.#options.formats);
      // When this or what follows fails, the lease is left to run out rather than revoked: it may hold the row and the
      // moved states by now, and the next attempt finds them there, our token in the row, and takes them over.
      const claimed = await this.#claim(record, previous, grant.leaseId);
      if (claimed === undefined) {
        if (previous === undefined) await this.#abandon(keeper);
        continue;
      }
      const { number } = claimed;
      if (previous !== undefined) await this.#endFormer(previous, request.machineId, grant.leaseId);
      keeper.start();
      keeper.endWith(epochOver);
      logger.info("machine_registered", { registration: number, taken_over: previous !== undefined });
      const registration = new MachineRegistration({ guard, keys, logger, keeper, record, ...claimed });
      return { outcome: "registered", registration };
    }
  }

  /**
   * Makes the machine's row ours. Undefined when it has changed in between. The state rows come along at once: were the
   * former lease to end in between, units that run would lose their rows, and the registration would go on. A machine that
   * was away begins without any.
   */
  async #claim(
    record: MachineRecord,
    previous: KeyValue | undefined,
    leaseId: string,
  ): Promise<Claim | undefined> {
    const { guard, keys } = this.#options;
    const key = keys.machine(record.id);
    const rows = previous === undefined ? [] : await this.#moveMost(previous, record.id, leaseId);
    const result = await guard.txn({
      compares: [
        previous === undefined ? { key, test: "absent" } : unchanged(previous),
        ...rows.map(unchanged),
      ],
      success: [
        ...(previous === undefined
          ? [{ op: "delete", ...keys.statesOf(record.id) } as const]
          : rows.map((row) => onLease(row, leaseId))),
        { op: "put", key, value: machineCodec.encode(record), leaseId },
      ],
      failure: [{ op: "get", from: key }],
    });
    if (result.succeeded) {
      return { number: previous?.createRevision ?? result.revision, fence: result.revision };
    }
    // A claim that was carried out twice (a lost reply) fails its second compare: the row's lease tells.
    const row = result.results[0]?.[0];
    return row?.leaseId === leaseId ? { number: row.createRevision, fence: row.modRevision } : undefined;
  }

  /** Moves rows that an earlier process wrote last, then ends its leases: should it still run, it learns. */
  async #endFormer(previous: KeyValue, machineId: string, leaseId: string): Promise<void> {
    const { store } = this.#options;
    const earlier = new Set([previous.leaseId]);
    for (;;) {
      const rows = await this.#moveMost(previous, machineId, leaseId);
      if (rows.length === 0) break;
      for (const row of rows) earlier.add(row.leaseId);
      await this.#move(rows, previous, machineId, leaseId);
    }
    earlier.delete(leaseId);
    for (const lease of earlier) if (lease !== noLease) await store.leaseRevoke(lease);
  }

  /**
   * Moves state rows that hang on other leases to this one, until those left fit into one transaction: these. Rejects with
   * `registration_lost` when the machine is not registered as it was any more.
   */
  async #moveMost(previous: KeyValue, machineId: string, leaseId: string): Promise<readonly KeyValue[]> {
    const { guard, keys } = this.#options;
    for (;;) {
      const { rows } = await readAll(guard, keys.statesOf(machineId));
      const left = rows.filter((row) => row.leaseId !== leaseId);
      if (left.length <= adoptedPerTransaction) return left;
      await this.#move(left.slice(0, adoptedPerTransaction), previous, machineId, leaseId);
    }
  }

  /** Those that have changed meanwhile stay where they are. */
  async #move(
    rows: readonly KeyValue[],
    { createRevision }: KeyValue,
    machineId: string,
    leaseId: string,
  ): Promise<void> {
    const { guard, keys } = this.#options;
    const key = keys.machine(machineId);
    const result = await guard.txn({
      compares: [{ key, test: "createRevision", equals: createRevision }, ...rows.map(unchanged)],
      success: rows.map((row) => onLease(row, leaseId)),
      failure: [{ op: "get", from: key }],
    });
    if (result.succeeded || result.results[0]?.[0]?.createRevision === createRevision) return;
    throw new FleetError("registration_lost", "the machine's row went away while taking it over", {
      retryable: true,
    });
  }

  /** Nothing hangs on this lease; when etcd cannot be told it ends by itself. */
  async #abandon(keeper: LeaseKeeper): Promise<void> {
    await keeper.revoke().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
      this.#options.logger.debug("lease_left_to_expire", { code: errorCode(error) });
    });
  }
}

function unchanged({ key, modRevision }: KeyValue): Compare {
  return { key, test: "modRevision", equals: modRevision };
}

function onLease({ key, value }: KeyValue, leaseId: string): Operation {
  return { op: "put", key, value, leaseId };
}

function recordOf(request: RegistrationRequest, formats: readonly number[]): MachineRecord {
  const { machineId, token, publicIp, metadata, version } = request;
  return { id: machineId, token, publicIp, metadata, leaving: false, formats, version };
}

/** A row that cannot be read is somebody else's. */
function tokenOf(row: KeyValue): string | undefined {
  const record = machineCodec.decode(row.value);
  return record.ok ? record.value.token : undefined;
}

function holderOf(row: KeyValue): string {
  const record = machineCodec.decode(row.value);
  return record.ok ? record.value.publicIp : "";
}
