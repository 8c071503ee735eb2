import type { ApiUnit, FleetClient } from "@fleet/api/client";
import { parseUnitName } from "@fleet/core";
import { FlagValues } from "../cli/flag.ts";
import { globalFlags } from "../cli/global-flags.ts";
import { connect } from "../connect.ts";

/** A word that completes another, and what it is. */
export type Candidate = readonly [word: string, what: string];

/** Units offered at most; of more, the first. */
const maxUnits = 10_000;

/** Milliseconds the cluster has to answer: whoever presses the tab key waits for it. */
const patienceMs = 800;

/** Names, addresses and metadata that mean themselves to every shell. The backslash is quoted by the scripts. */
const harmless = /^[\p{L}\p{N}_.:@%+,=/\\-]+$/u;

/**
 * Asks the cluster that a command line is for. Nobody there, or nobody in time, is nothing to offer; nor is a word that
 * a shell would run, expand or split: bash inserts it as it is, and metadata may hold anything.
 */
export class ClusterNames {
  readonly #flags: FlagValues;
  readonly #signal: AbortSignal;

  /** `given` flags come from the command line, the others from `around`: environment or defaults. */
  constructor(given: ReadonlyMap<string, string>, around: FlagValues, signal: AbortSignal) {
    const texts = globalFlags.map(({ name }) => [name, given.get(name) ?? around.text(name)] as const);
    this.#flags = new FlagValues(globalFlags, new Map(texts));
    this.#signal = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  }

  async units(which: { readonly templates: boolean }): Promise<readonly Candidate[]> {
    const units = await this.#ask((client) => client.units(this.#signal, maxUnits));
    return units
      .filter((unit) => harmless.test(unit.name) && (which.templates || !isTemplate(unit)))
      .map((unit) => [unit.name, unit.currentState ?? unit.desiredState]);
  }

  /** By id, by IP and by metadata. */
  async machines(): Promise<readonly Candidate[]> {
    const machines = await this.#ask((client) => client.machines(this.#signal));
    return machines
      .filter(({ id }) => harmless.test(id))
      .flatMap(({ id, primaryIP = "" }): readonly Candidate[] =>
        harmless.test(primaryIP)
          ? [
              [id, primaryIP],
              [primaryIP, id],
            ]
          : [[id, ""]],
      );
  }

  /** KEY=VALUE pairs that machines have. */
  async metadata(): Promise<readonly Candidate[]> {
    const machines = await this.#ask((client) => client.machines(this.#signal));
    const pairs = machines.flatMap(({ metadata = {} }) =>
      Object.entries(metadata).map(([key, value]) => `${key}=${value}`),
    );
    return [...new Set(pairs)].filter((pair) => harmless.test(pair)).map((pair) => [pair, "metadata"]);
  }

  async #ask<Item>(question: (client: FleetClient) => Promise<readonly Item[]>): Promise<readonly Item[]> {
    // Behind a tunnel or etcd's own authentication waits a handshake, and maybe a question for a password.
    if (this.#flags.text("tunnel") !== "" || this.#flags.text("driver").toLowerCase() !== "api") return [];
    try {
      const client = await connect(this.#flags, nobody);
      try {
        return await question(client);
      } finally {
        client.close();
      }
    } catch {
      // An error would be written into the middle of the line that is being typed.
      return [];
    }
  }
}

/** For whom nothing is said, since nobody could read it. */
const nobody = {
  environment: {},
  say: () => {},
  relay: () => {},
  isTerminal: { stdout: false, stderr: false },
} as const;

function isTemplate(unit: ApiUnit): boolean {
  const parsed = parseUnitName(unit.name);
  return parsed.ok && parsed.value.isTemplate;
}
