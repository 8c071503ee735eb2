import { maxTxnOperations, type Operation } from "./store.ts";

/** Well below the 1.5 MiB that etcd takes in one request. */
const maxTransactionBytes = 512 * 1024;

/**
 * Cuts operations, in their order, into as few transactions as etcd takes them in. One that is too large is alone. No more
 * operations are asked for than the batches taken need, and one.
 */
export function* operationBatches(operations: Iterable<Operation>): Generator<readonly Operation[], void> {
  let batch: Operation[] = [];
  let bytes = 0;
  for (const operation of operations) {
    const size =
      operation.op === "put" ? operation.key.length + operation.value.length : operation.from.length;
    if (batch.length === maxTxnOperations || (batch.length > 0 && bytes + size > maxTransactionBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(operation);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
