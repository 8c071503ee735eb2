import type { ICompare, IKeyValue, IRangeRequest, IRequestOp, IResponseOp, ITxnRequest } from "etcd3";
import type { Compare, KeyRange, KeyValue, Operation, RangeRequest, TxnRequest } from "./store.ts";

/** Translates between the port and the messages of etcd's protocol. */
export function rangeMessage(request: RangeRequest): IRangeRequest {
  return {
    ...keyMessage(request),
    ...(request.limit === undefined ? {} : { limit: request.limit }),
    ...(request.revision === undefined ? {} : { revision: request.revision }),
    ...(request.keysOnly === undefined ? {} : { keys_only: request.keysOnly }),
  };
}

export function keyMessage(range: KeyRange): { key: Buffer; range_end?: Buffer } {
  const key = Buffer.from(range.from);
  return range.to === undefined ? { key } : { key, range_end: Buffer.from(range.to) };
}

export function txnMessage(request: TxnRequest): ITxnRequest {
  return {
    compare: request.compares.map(compareMessage),
    success: request.success.map(operationMessage),
    failure: (request.failure ?? []).map(operationMessage),
  };
}

export function rowOf(kv: IKeyValue): KeyValue {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    leaseId: String(kv.lease),
  };
}

const noRows: readonly KeyValue[] = [];

/** The rows an operation answered with; only a get has any. */
export function rowsOf(response: IResponseOp | undefined): readonly KeyValue[] {
  // Absent parts are null on the wire library's side, whatever its types say.
  return response?.response_range?.kvs?.map(rowOf) ?? noRows;
}

function compareMessage(compare: Compare): ICompare {
  const key = Buffer.from(compare.key);
  switch (compare.test) {
    case "absent":
      return { key, result: "Equal", target: "Create", create_revision: "0" };
    case "present":
      return { key, result: "NotEqual", target: "Create", create_revision: "0" };
    case "createRevision":
      return { key, result: "Equal", target: "Create", create_revision: String(compare.equals) };
    case "modRevision":
      return { key, result: "Equal", target: "Mod", mod_revision: String(compare.equals) };
  }
}

function operationMessage(operation: Operation): IRequestOp {
  switch (operation.op) {
    case "get":
      return { request_range: rangeMessage(operation) };
    case "delete":
      return { request_delete_range: keyMessage(operation) };
    case "put":
      return {
        request_put: {
          key: Buffer.from(operation.key),
          value: Buffer.from(operation.value),
          ...(operation.leaseId === undefined ? {} : { lease: operation.leaseId }),
        },
      };
  }
}
