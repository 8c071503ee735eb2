import type { ClusterGuard } from "./cluster-guard.ts";
import type { Keyspace } from "./keyspace.ts";
import { stateCodec } from "./records.ts";
import { readAll } from "./snapshot.ts";
import type { KeyValue } from "./store.ts";

/** Rows asked for in one transaction, below etcd's limit of operations. */
const rowsPerTransaction = 100;

/**
 * A state row of the unit that says it has failed, or was not taken by systemd, on any machine; undefined when there is none. Rows lie below their
 * machines: one key is asked for per machine present, and no machine's other units are read.
 */
export async function failedRow(
  guard: ClusterGuard,
  keys: Keyspace,
  unit: string,
): Promise<KeyValue | undefined> {
  const { rows: machines } = await readAll(guard, keys.machines());
  const rows = machines.flatMap(({ key }) => {
    const subject = keys.parse(key);
    return subject?.kind === "machine" ? [keys.state(subject.machineId, unit)] : [];
  });
  for (let first = 0; first < rows.length; first += rowsPerTransaction) {
    const gets = rows.slice(first, first + rowsPerTransaction).map((from) => ({ op: "get", from }) as const);
    const { results } = await guard.txn({ compares: [], success: gets });
    const failed = results.flat().find(({ value }) => {
      const state = stateCodec.decode(value);
      // One that systemd refused to start has not failed in its eyes: it never began.
      return state.ok && (state.value.active === "failed" || state.value.problem !== undefined);
    });
    if (failed !== undefined) return failed;
  }
  return undefined;
}
