import type { UnitOption } from "@fleet/core";
import { FleetError } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { decodeBody } from "./unit-body.ts";

type Reading = Promise<readonly UnitOption[] | undefined>;

/** Reads stored unit files. */
export class UnitFiles {
  readonly #guard: ClusterGuard;
  readonly #keys: Keyspace;
  /** Under way, by hash. */
  readonly #readings = new Map<string, Reading>();

  constructor(guard: ClusterGuard, keys: Keyspace) {
    this.#guard = guard;
    this.#keys = keys;
  }

  /**
   * A unit file by its hash; undefined when it is not stored. Units that share a file and come together ask the store for it
   * once. Throws `record_corrupt` when it cannot be read.
   */
  async read(hash: string): Promise<readonly UnitOption[] | undefined> {
    const begun = this.#readings.get(hash);
    if (begun === undefined) return await this.#begin(hash);
    // What is stored under a hash is always the same, but a reading begun before may have come before the file.
    return (await begun.catch(() => undefined)) ?? (await this.#begin(hash));
  }

  #begin(hash: string): Reading {
    const reading = this.at(hash).finally(() => {
      if (this.#readings.get(hash) === reading) this.#readings.delete(hash);
    });
    this.#readings.set(hash, reading);
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
