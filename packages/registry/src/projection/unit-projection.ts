import {
  boundsStop,
  type ClusterModel,
  type Requirements,
  requirementsOf,
  type UnitOption,
} from "@fleet/core";
import type { Entry } from "../changes.ts";
import type { UnitRecord } from "../records.ts";

interface KnownUnit {
  readonly record: UnitRecord;
  /** Revision of the last change of intent. */
  readonly changedAt: number;
  /** Depends on the name as well as on the body: specifiers. */
  requirements: Requirements | undefined;
}

/**
 * Puts units together from two records each, intent and unit file, which may arrive in either order.
 *
 * Invariant: a unit whose file is missing or cannot be read is in the model without requirements.
 */
export class UnitProjection {
  readonly #model: ClusterModel;
  readonly #units = new Map<string, KnownUnit>();
  /** Only what requirements are read from is kept: unit files may be large. */
  readonly #fleetOptions = new Map<string, readonly UnitOption[]>();
  readonly #unitsByHash = new Map<string, Set<string>>();
  /** Of unit files that say the same for every name: an instance more of a template takes no room. */
  readonly #shared = new Map<string, Requirements>();

  constructor(model: ClusterModel) {
    this.#model = model;
  }

  applyUnit(name: string, entry: Entry<UnitRecord>): void {
    const former = this.#units.get(name);
    if (former !== undefined) this.#unitsByHash.get(former.record.hash)?.delete(name);
    this.#units.delete(name);
    if (entry.status === "absent") {
      this.#model.removeUnit(name);
      return;
    }
    if (entry.status === "corrupt") {
      this.#model.setUnitUnreadable(name);
      return;
    }
    const record = entry.value;
    const requirements =
      former?.record.hash === record.hash ? former.requirements : this.#requirements(name, record.hash);
    this.#units.set(name, { record, changedAt: entry.modRevision, requirements });
    const sharing = this.#unitsByHash.get(record.hash);
    if (sharing === undefined) this.#unitsByHash.set(record.hash, new Set([name]));
    else sharing.add(name);
    this.#publish(name);
  }

  applyBody(hash: string, entry: Entry<readonly UnitOption[]>): void {
    if (entry.status === "present") {
      // Written again with every submission; the same hash is the same content.
      if (this.#fleetOptions.has(hash)) return;
      this.#fleetOptions.set(
        hash,
        entry.value.filter((option) => option.section === "X-Fleet" || boundsStop(option)),
      );
    } else {
      this.#fleetOptions.delete(hash);
      this.#shared.delete(hash);
    }
    for (const name of this.#unitsByHash.get(hash) ?? []) {
      const unit = this.#units.get(name);
      if (unit === undefined) continue;
      unit.requirements = this.#requirements(name, hash);
      this.#publish(name);
    }
  }

  #requirements(name: string, hash: string): Requirements | undefined {
    const shared = this.#shared.get(hash);
    if (shared !== undefined) return shared;
    const options = this.#fleetOptions.get(hash);
    if (options === undefined) return undefined;
    const requirements = requirementsOf(name, options);
    if (!options.some(({ value }) => value.includes("%"))) this.#shared.set(hash, requirements);
    return requirements;
  }

  #publish(name: string): void {
    const unit = this.#units.get(name);
    if (unit === undefined) return;
    const { hash, target, generation, retryOf } = unit.record;
    const { changedAt, requirements } = unit;
    const retry = retryOf === undefined ? {} : { retryOf };
    this.#model.setUnit({ name, hash, target, generation, ...retry, changedAt, requirements });
  }
}
