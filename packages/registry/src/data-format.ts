import type { Logger } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Term } from "./leadership.ts";
import { clusterCodec, machineCodec } from "./records.ts";
import { readAll } from "./snapshot.ts";

export interface DataFormatOptions {
  readonly guard: ClusterGuard;
  readonly keys: Keyspace;
  readonly logger: Logger;
  /** The data formats that this fleetd reads. */
  readonly formats: readonly number[];
}

/**
 * Raises the cluster's data format once every machine present reads a later one.
 *
 * Until then what is written is of the format that the cluster has. A machine that is away meanwhile and cannot read the
 * new one finds it when it comes to register: it freezes, and its units run on.
 */
export class DataFormat {
  readonly #options: DataFormatOptions;
  /** Machines that were last said to be waited for. */
  #said = "";

  constructor(options: DataFormatOptions) {
    this.#options = options;
  }

  /** The format raised to; undefined when there is nothing to raise, yet or at all. Rejects with StoreError or the frozen error. */
  async raise(term: Term): Promise<number | undefined> {
    const { guard, keys, logger, formats } = this.#options;
    const row = (await guard.range({ from: keys.cluster() })).rows[0];
    const record = row === undefined ? undefined : clusterCodec.decode(row.value);
    if (row === undefined || record?.ok !== true) return undefined;
    const later = formats.filter((format) => format > record.value.format).sort((a, b) => b - a);
    const [newest] = later;
    if (newest === undefined) return undefined;
    const readers = await this.#readers();
    const format = later.find((each) => [...readers.values()].every((reads) => reads.includes(each)));
    this.#sayWhoIsWaitedFor(newest, readers);
    if (format === undefined) return undefined;
    const result = await guard.txn({
      compares: [
        { key: keys.leader(), test: "createRevision", equals: term.number },
        { key: row.key, test: "modRevision", equals: row.modRevision },
      ],
      success: [{ op: "put", key: row.key, value: clusterCodec.encode({ ...record.value, format }) }],
    });
    if (!result.succeeded) return undefined;
    logger.info("format_raised", { from: record.value.format, to: format });
    return format;
  }

  /** What each machine present reads: nothing when its record cannot be read. */
  async #readers(): Promise<ReadonlyMap<string, readonly number[]>> {
    const { guard, keys } = this.#options;
    const { rows } = await readAll(guard, keys.machines());
    return new Map(
      rows.map(({ key, value }) => {
        const machine = machineCodec.decode(value);
        return [key.slice(keys.machine("").length), machine.ok ? machine.value.formats : []];
      }),
    );
  }

  #sayWhoIsWaitedFor(format: number, readers: ReadonlyMap<string, readonly number[]>): void {
    const machines = [...readers].flatMap(([id, reads]) => (reads.includes(format) ? [] : [id]));
    const said = `${format} ${machines}`;
    if (machines.length > 0 && said !== this.#said) {
      this.#options.logger.info("format_waits", {
        format,
        machines: machines.length,
        of: machines.slice(0, 10),
      });
    }
    this.#said = said;
  }
}
