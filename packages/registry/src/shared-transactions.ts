import { FleetError } from "@fleet/runtime";
import type { ClusterGuard } from "./cluster-guard.ts";
import type { Compare, Operation, TxnResult } from "./store.ts";

/** What is done when all compares hold, and else not at all. */
export interface Conditional {
  readonly compares: readonly Compare[];
  readonly success: readonly Operation[];
}

/** Below etcd's limit of 128: the guard adds some of its own. */
const maxPerTransaction = 100;

/** Well below the 1.5 MiB that etcd takes in one request. What is larger goes alone. */
const maxTransactionBytes = 512 * 1024;

interface Waiting extends Conditional {
  readonly resolve: (result: TxnResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Carries out what is asked for at the same time in as few transactions as it fits in: hundreds of units come as hundreds
 * of requests, and etcd and its library take about as long for many keys as for one.
 *
 * Invariants:
 * - one transaction is under way at a time, and what comes alone goes at once;
 * - nothing is sent before it was asked for: what is read is at least as new as the question;
 * - each is decided by its own compares alone: what shares a transaction that was refused is tried by itself;
 * - nobody waits for a store that does not answer and is served later: who asked has given up by then.
 *
 * What waits is bounded by the requests that the API serves at once.
 */
export class SharedTransactions {
  readonly #guard: ClusterGuard;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(guard: ClusterGuard) {
    this.#guard = guard;
  }

  /** As `ClusterGuard.txn`. The revision may be that of others' writes as well. */
  txn({ compares, success }: Conditional): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ compares, success, resolve, reject });
      if (!this.#busy) void this.#carryOut();
    });
  }

  async #carryOut(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const group = new Group();
      // What does not go together with the others keeps its place.
      this.#waiting = this.#waiting.filter((each) => !group.take(each));
      try {
        await this.#together(group);
      } catch (error) {
        for (const { reject } of group.members) reject(error);
        if (error instanceof FleetError && error.retryable) {
          for (const { reject } of this.#waiting.splice(0)) reject(error);
        }
      }
    }
    this.#busy = false;
  }

  async #together(group: Group): Promise<void> {
    const { members } = group;
    const result = await this.#guard.txn(group);
    if (result.succeeded || members.length === 1) {
      for (const each of members) {
        each.resolve({ ...result, results: result.succeeded ? group.resultsOf(each, result) : [] });
      }
      return;
    }
    await Promise.all(
      members.map(({ compares, success, resolve, reject }) =>
        this.#guard.txn({ compares, success }).then(resolve, reject),
      ),
    );
  }
}

/** What is carried out in one transaction. */
class Group {
  readonly members: Waiting[] = [];
  readonly compares: Compare[] = [];
  readonly success: Operation[] = [];
  readonly #compared = new Set<string>();
  /** Key → what is put there, and the index of that operation. */
  readonly #puts = new Map<string, { readonly value: string; readonly index: number }>();
  /** Indexes of each member's operations, which others may share. */
  readonly #indexes = new Map<Waiting, readonly number[]>();
  #bytes = 0;

  /** False when it does not fit in. */
  take(next: Waiting): boolean {
    const added = next.success.filter((operation) => this.#shared(operation) === undefined);
    const bytes = added.reduce((sum, operation) => sum + sizeOf(operation), 0);
    if (this.members.length > 0 && !this.#fits(next, added.length, bytes)) return false;
    this.members.push(next);
    this.compares.push(...next.compares);
    for (const { key } of next.compares) this.#compared.add(key);
    const indexes = next.success.map((operation) => this.#shared(operation) ?? this.#add(operation));
    this.#indexes.set(next, indexes);
    this.#bytes += bytes;
    return true;
  }

  /** What the member's own operations answered. */
  resultsOf(member: Waiting, { results }: TxnResult): TxnResult["results"] {
    return (this.#indexes.get(member) ?? []).map((index) => results[index] ?? []);
  }

  #fits(next: Waiting, operations: number, bytes: number): boolean {
    return (
      this.success.length + operations <= maxPerTransaction &&
      this.compares.length + next.compares.length <= maxPerTransaction &&
      this.#bytes + bytes <= maxTransactionBytes &&
      // Of two that are about the same unit the second is decided by what the first has made of it.
      !next.compares.some(({ key }) => this.#puts.has(key)) &&
      !next.success.some((each) => each.op === "put" && this.#clashes(each.key, each.value))
    );
  }

  #clashes(key: string, value: string): boolean {
    return this.#compared.has(key) || (this.#puts.get(key)?.value ?? value) !== value;
  }

  /** A unit file that many units share is written once: etcd refuses a key that is written twice. */
  #shared(operation: Operation): number | undefined {
    const put = operation.op === "put" ? this.#puts.get(operation.key) : undefined;
    return operation.op === "put" && put?.value === operation.value ? put.index : undefined;
  }

  #add(operation: Operation): number {
    const index = this.success.length;
    this.success.push(operation);
    if (operation.op === "put") this.#puts.set(operation.key, { value: operation.value, index });
    return index;
  }
}

function sizeOf(operation: Operation): number {
  return operation.op === "put" ? operation.key.length + operation.value.length : operation.from.length;
}
