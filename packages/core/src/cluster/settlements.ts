import type { Settled, Spared } from "./records.ts";

/** So many units are named to a machine at most: its record must fit into one write. */
const mostNamed = 1_000;

/** What the machines have been told of their registrations. */
export class Settlements {
  readonly #told = new Map<string, Settled>();
  readonly #named = new Map<string, ReadonlySet<string> | "all">();

  /** The registration that the machine was last told to be taken into account. */
  registration(machineId: string): number | undefined {
    return this.#told.get(machineId)?.registration;
  }

  spared(machineId: string): Spared {
    return this.#told.get(machineId)?.spared ?? [];
  }

  spares(machineId: string, unit: string): boolean {
    const named = this.#named.get(machineId);
    return named === "all" || named?.has(unit) === true;
  }

  /** Machines that were told to keep something. */
  sparing(): Iterable<string> {
    return this.#named.keys();
  }

  /** False when that is known already. */
  set(machineId: string, settled: Settled | undefined): boolean {
    const former = this.#told.get(machineId);
    const same = former?.registration === settled?.registration;
    if (same && sameSpared(former?.spared ?? [], settled?.spared ?? [])) return false;
    if (settled === undefined) this.#told.delete(machineId);
    else this.#told.set(machineId, settled);
    const spared = settled?.spared ?? [];
    if (spared.length === 0) this.#named.delete(machineId);
    else this.#named.set(machineId, spared === "all" ? "all" : new Set(spared));
    return true;
  }
}

/** Those of the units, given in order, that are to be kept, as a machine is told of them. */
export function sparedUnits(names: readonly string[], isKept: (unit: string) => boolean): Spared {
  const kept: string[] = [];
  for (const name of names) {
    if (!isKept(name)) continue;
    // Who comes after the last one that is named need not be looked at.
    if (kept.length === mostNamed) return "all";
    kept.push(name);
  }
  return kept;
}

export function sameSpared(left: Spared, right: Spared): boolean {
  if (left === "all" || right === "all") return left === right;
  return left.length === right.length && left.every((name, index) => name === right[index]);
}
