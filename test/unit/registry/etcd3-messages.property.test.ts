import { createRequire } from "node:module";
import {
  type Compare,
  type KeyRange,
  type KeyValue,
  maxTxnOperations,
  type Operation,
  type RangeRequest,
} from "@fleet/registry";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeRange,
  decodeTxn,
  decodeWatch,
  encodeRange,
  encodeTxn,
} from "../../../packages/registry/src/etcd3-messages.ts";

/** What etcd's client library makes of etcd's own description of its protocol. */
const protocol = loadSync(createRequire(import.meta.url).resolve("etcd3/proto/rpc.proto"), {
  longs: String,
  enums: String,
  bytes: String,
});

type Method = ServiceDefinition[string];

function methods(service: string): ServiceDefinition {
  return protocol[`etcdserverpb.${service}`] as ServiceDefinition;
}

function answerOf(method: Method | undefined, fields: object): Buffer {
  if (method === undefined) throw new Error("etcd's protocol has no such method");
  return method.responseSerialize(fields);
}

const { Range: range, Txn: txn } = methods("KV");
const { Watch: watch } = methods("Watch");

const base64 = (text: string): string => Buffer.from(text).toString("base64");

// Texts of all lengths that take one byte to tell and more, with characters of one byte and more.
const text = fc.oneof(
  fc.string({ unit: "binary", minLength: 1 }),
  fc.string({ minLength: 1, maxLength: 300 }),
);
const revision = fc.maxSafeNat();

const keys: fc.Arbitrary<KeyRange> = fc.record({ from: text, to: text }, { requiredKeys: ["from"] });
const rangeRequest: fc.Arbitrary<RangeRequest> = fc.record(
  { from: text, to: text, limit: fc.nat(), revision, keysOnly: fc.boolean() },
  { requiredKeys: ["from"] },
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record(
    { op: fc.constant("put" as const), key: text, value: text, leaseId: revision.map(String) },
    { requiredKeys: ["op", "key", "value"] },
  ),
  keys.map((range) => ({ op: "delete" as const, ...range })),
  fc.tuple(keys, fc.nat()).map(([range, limit]) => ({ op: "get" as const, ...range, limit })),
);
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({ key: text, test: fc.constantFrom("absent" as const, "present" as const) }),
  fc.record({
    key: text,
    test: fc.constantFrom("createRevision" as const, "modRevision" as const),
    equals: revision,
  }),
);

function rangeFields({ from, to, limit, revision, keysOnly }: RangeRequest): object {
  return {
    key: base64(from),
    ...(to === undefined ? {} : { rangeEnd: base64(to) }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
    ...(revision === undefined ? {} : { revision: String(revision) }),
    ...(keysOnly === undefined ? {} : { keysOnly }),
  };
}

function operationFields(operation: Operation): object {
  switch (operation.op) {
    case "get":
      return { requestRange: rangeFields(operation) };
    case "delete":
      return { requestDeleteRange: rangeFields({ from: operation.from, ...withEnd(operation) }) };
    case "put": {
      const { key, value, leaseId } = operation;
      const fields = { key: base64(key), value: base64(value) };
      return { requestPut: leaseId === undefined ? fields : { ...fields, lease: leaseId } };
    }
  }
}

function withEnd({ to }: KeyRange): object {
  return to === undefined ? {} : { to };
}

function compareFields(compare: Compare): object {
  const key = base64(compare.key);
  switch (compare.test) {
    case "absent":
      return { key, result: "Equal", target: "Create", createRevision: "0" };
    case "present":
      return { key, result: "NotEqual", target: "Create", createRevision: "0" };
    case "createRevision":
      return { key, result: "Equal", target: "Create", createRevision: String(compare.equals) };
    case "modRevision":
      return { key, result: "Equal", target: "Mod", modRevision: String(compare.equals) };
  }
}

test("ranges are asked for as etcd's protocol has it", () => {
  fc.assert(
    fc.property(rangeRequest, (request) => {
      expect(range?.requestDeserialize(encodeRange(request))).toEqual(rangeFields(request));
    }),
  );
});

test("transactions are asked for as etcd's protocol has it", () => {
  const operations = fc.array(operation, { minLength: 1, maxLength: 5 });
  const compares = fc.array(compare, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(compares, operations, operations, (compares, success, failure) => {
      expect(txn?.requestDeserialize(encodeTxn({ compares, success, failure }))).toEqual({
        compare: compares.map(compareFields),
        success: success.map(operationFields),
        failure: failure.map(operationFields),
      });
    }),
  );
});

interface NestedTxn {
  readonly success: readonly { readonly requestTxn?: NestedTxn }[];
}

/** The operations in their order; fails where etcd refuses a transaction of one that takes no more than `most` by default. */
function flattened({ success }: NestedTxn, most: number): readonly object[] {
  expect(success.length).toBeLessThanOrEqual(most);
  return success.flatMap(({ requestTxn, ...operation }) =>
    requestTxn === undefined ? [operation] : flattened(requestTxn, most - success.length),
  );
}

test.each([128, 129, 192, 193, maxTxnOperations])(
  "%i operations are nested, in their order, as far as etcd takes no more in one transaction",
  (count) => {
    const success = Array.from({ length: count }, (_, index): Operation => {
      return { op: "put", key: `k${index}`, value: "x" };
    });
    const message = txn?.requestDeserialize(encodeTxn({ compares: [], success })) as NestedTxn;
    expect(flattened(message, 128)).toEqual(success.map(operationFields));
  },
);

const row: fc.Arbitrary<KeyValue> = fc.record({
  key: text,
  value: text,
  createRevision: revision,
  modRevision: revision,
  leaseId: revision.map(String),
});

function rowFields({ key, value, createRevision, modRevision, leaseId }: KeyValue): object {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value),
    createRevision: String(createRevision),
    modRevision: String(modRevision),
    version: "7",
    lease: leaseId,
  };
}

function headerFields(revision: number): object {
  return { clusterId: "17237436991929493444", memberId: "9372538179322589801", revision, raftTerm: 3 };
}

/** A field that a later etcd may add: it is passed over. */
const unknown = Buffer.from([0xfa, 0x06, 0x03, 1, 2, 3]);

test("rows are read as etcd's protocol has them", () => {
  fc.assert(
    fc.property(revision, fc.array(row), fc.boolean(), (revision, rows, more) => {
      const kvs = rows.map(rowFields);
      const bytes = answerOf(range, { header: headerFields(revision), kvs, more, count: 1_000 });
      expect(decodeRange(Buffer.concat([bytes, unknown]))).toEqual({ revision, rows, more });
    }),
  );
});

test("what came of a transaction is read as etcd's protocol has it", () => {
  const answer = fc.oneof(fc.constantFrom("put", "delete"), fc.array(row));
  fc.assert(
    fc.property(revision, fc.boolean(), fc.array(answer), (revision, succeeded, answers) => {
      const responses = answers.map((answer) => {
        if (answer === "put") return { responsePut: { header: { revision } } };
        if (answer === "delete") return { responseDeleteRange: { header: { revision }, deleted: 2 } };
        const kvs = typeof answer === "string" ? [] : answer.map(rowFields);
        return { responseRange: { header: { revision }, kvs, count: kvs.length } };
      });
      const bytes = answerOf(txn, { header: headerFields(revision), succeeded, responses });
      const results = answers.map((answer) => (typeof answer === "string" ? [] : answer));
      expect(decodeTxn(Buffer.concat([bytes, unknown]))).toEqual({ revision, succeeded, results });
    }),
  );
});

test("answers of a watch are read as etcd's protocol has them", () => {
  const event = fc.tuple(fc.constantFrom("Put", "Delete"), row);
  const flags = fc.record({ fragment: fc.boolean(), canceled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event), flags, revision, text, (events, flags, compactRevision, cancelReason) => {
      const bytes = answerOf(watch, {
        header: headerFields(12),
        watchId: 5,
        created: true,
        ...flags,
        compactRevision,
        cancelReason,
        events: events.map(([type, row]) => ({ type, kv: rowFields(row), prevKv: rowFields(row) })),
      });
      expect(decodeWatch(Buffer.concat([bytes, unknown]))).toEqual({
        ...flags,
        compactRevision,
        cancelReason,
        events: events.map(([type, row]) =>
          type === "Put"
            ? { type: "put", row }
            : { type: "delete", key: row.key, modRevision: row.modRevision },
        ),
      });
    }),
  );
});

/** As protocol buffers write a number; the library would round it where the package `long` is not found. */
function varint(value: bigint): readonly number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}

test("ids of leases are exact, those that etcd chooses as well", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (id) => {
      const row = [0x30, ...varint(id)];
      const [read] = decodeRange(Buffer.from([0x12, row.length, ...row])).rows;
      expect(read?.leaseId).toBe(String(id));
    }),
  );
});

test("a number that is cut off is refused", () => {
  expect(() => decodeRange(Buffer.from([0x0a, 0x02, 0x18, 0x80]))).toThrow(RangeError);
});

test("what is left out is nothing", () => {
  expect(decodeRange(Buffer.alloc(0))).toEqual({ revision: 0, rows: [], more: false });
  expect(decodeTxn(Buffer.alloc(0))).toEqual({ revision: 0, succeeded: false, results: [] });
  const nothing = { events: [], fragment: false, canceled: false, cancelReason: "", compactRevision: 0 };
  expect(decodeWatch(Buffer.alloc(0))).toEqual(nothing);
  const bare = { key: "", value: "", createRevision: 0, modRevision: 0, leaseId: "0" };
  expect(decodeRange(answerOf(range, { kvs: [{}] })).rows).toEqual([bare]);
});
