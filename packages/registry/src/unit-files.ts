import type { UnitOption } from "@fleet/core";
import { FleetError } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { decodeBody } from "./unit-body.ts";

type Reading = Promise<readonly UnitOption[] | undefined>;

/** Files remembered: those of the templates whose instances come and go. */
const remembered = 32;

/**
 * Reads stored unit files.
 *
 * Invariant: what is stored under a hash is always the same, so that a file which was found need not be asked for again.
 */
export class UnitFiles {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  /** By hash, under way or read; the one asked for longest ago first. */
  readonly #readings = new Map<string, Reading>();

  constructor(guard: ClusterGuard, keys: Keyspace) {
    this.#guard = guard;
    this.#keys = keys;
  }

  /**
   * A unit file by its hash; undefined when it is not stored. Units that share a file ask the store for it once in a while.
   * Throws `record_corrupt` when it cannot be read.
   */
  async read(hash: string): Promise<readonly UnitOption[] | undefined> {
    const begun = this.#readings.get(hash);
    if (begun === undefined) return await this.#remember(hash, this.at(hash));
    const found = await begun.catch(() => undefined);
    // A reading that was begun before may have come before the file.
    return await this.#remember(hash, found === undefined ? this.at(hash) : begun);
  }

  /** As the one asked for last. */
  #remember(hash: string, reading: Reading): Reading {
    this.#readings.delete(hash);
    this.#readings.set(hash, reading);
    const [oldest] = this.#readings.keys();
    if (this.#readings.size > remembered && oldest !== undefined) this.#readings.delete(oldest);
    return reading;
  }

  /** The same, asked of the store as of `revision`, or now. Throws `etcd_compacted` when the revision is too old. */
  async at(hash: string, revision?: number): Promise<readonly UnitOption[] | undefined> {
    const as = revision === undefined ? {} : { revision };
    const { rows } = await this.#guard.range({ from: this.#keys.body(hash), ...as });
    const row = rows[0];
    if (row === undefined) return undefined;
    const options = decodeBody(row.value, hash);
    if (options.ok) return options.value;
    throw new FleetError("record_corrupt", `unit file ${hash} cannot be read: ${options.problem}`);
  }
}
