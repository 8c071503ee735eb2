import { maxTxnOperations, type Operation, operationBatches } from "@fleet/registry";
import { describe, expect, test } from "vitest";

function put(index: number, bytes: number): Operation {
  return { op: "put", key: `${String(index).padStart(4, "0")}`, value: "x".repeat(bytes - 4) };
}

describe("operations are cut into transactions", () => {
  test.each([
    ["nothing", [], []],
    ["a full transaction", Array<number>(maxTxnOperations).fill(10), [maxTxnOperations]],
    ["one more", Array<number>(maxTxnOperations + 1).fill(10), [maxTxnOperations, 1]],
    ["large ones", [300_000, 300_000, 200_000], [1, 2]],
    ["one that is too large, alone", [10, 2_000_000, 10], [1, 1, 1]],
  ])("%s", (_, sizes, expected) => {
    const operations = sizes.map((bytes, index) => put(index, bytes));
    const batches = [...operationBatches(operations)];
    expect(batches.map((batch) => batch.length)).toEqual(expected);
    expect(batches.flat()).toEqual(operations);
  });

  test("as they are asked for", () => {
    let made = 0;
    function* operations(): Generator<Operation> {
      for (; made < 10_000; made += 1) yield put(made, 10);
    }
    const batches = operationBatches(operations());
    expect(batches.next().value).toHaveLength(maxTxnOperations);
    expect(made).toBe(maxTxnOperations);
  });
});
