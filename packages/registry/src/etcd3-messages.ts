import protobuf from "protobufjs/minimal.js";
import {
  type Compare,
  type KeyRange,
  type KeyValue,
  maxFlatOperations,
  maxNestedOperations,
  type Operation,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
  type WatchEvent,
} from "./store.ts";

/*
 * The messages of etcd's protocol that carry rows, between their bytes and the port. The library makes several objects and
 * texts for each row that nobody looks at; see docs/decisions/0022-rows-to-and-from-etcd.md. The field numbers are those of
 * etcd's `rpc.proto` and `kv.proto`.
 */

/** One answer of a watch. */
export interface WatchAnswer {
  readonly events: readonly WatchEvent[];
  /** More events of the last revision may come in the next answer. */
  readonly fragment: boolean;
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** Where history begins, if the watch was to begin before that; else 0. */
  readonly compactRevision: number;
}

export function encodeRange(request: RangeRequest): Buffer {
  const writer = new protobuf.BufferWriter();
  writeRange(writer, request);
  return finish(writer);
}

export function encodeTxn({ compares, success, failure = [] }: TxnRequest): Buffer {
  const writer = new protobuf.BufferWriter();
  for (const compare of compares) writeCompare(begin(writer, 1), compare).ldelim();
  const isFlat = Math.max(success.length, failure.length) <= maxFlatOperations;
  const most = isFlat ? maxFlatOperations : maxNestedOperations;
  writeOperations(writer, 2, success, most);
  writeOperations(writer, 3, failure, most);
  return finish(writer);
}

/** Like the other decoders it takes for granted that etcd has sent these bytes; of others it throws, or tells nonsense. */
export function decodeRange(bytes: Buffer): RangeResult {
  return readRange(new protobuf.BufferReader(bytes), bytes.length);
}

export function decodeTxn(bytes: Buffer): TxnResult {
  const results: (readonly KeyValue[])[] = [];
  return { ...readTxn(new protobuf.BufferReader(bytes), bytes.length, results), results };
}

export function decodeWatch(bytes: Buffer): WatchAnswer {
  const reader = new protobuf.BufferReader(bytes);
  const events: WatchEvent[] = [];
  let [fragment, canceled, cancelReason, compactRevision] = [false, false, "", 0];
  while (reader.pos < bytes.length) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 4:
        canceled = reader.bool();
        break;
      case 5:
        compactRevision = readInt64(reader);
        break;
      case 6:
        cancelReason = reader.string();
        break;
      case 7:
        fragment = reader.bool();
        break;
      case 11:
        events.push(readEvent(reader));
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return { events, fragment, canceled, cancelReason, compactRevision };
}

function finish(writer: protobuf.Writer): Buffer {
  const { buffer, byteOffset, byteLength } = writer.finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Begins a field that holds a message; `ldelim` ends it. */
function begin(writer: protobuf.Writer, field: number): protobuf.Writer {
  return writer.uint32((field << 3) | 2).fork();
}

function text(writer: protobuf.Writer, field: number, value: string): protobuf.Writer {
  return writer.uint32((field << 3) | 2).string(value);
}

function number(writer: protobuf.Writer, field: number, value: number | string): protobuf.Writer {
  return writer.uint32(field << 3).int64(value);
}

function writeKeys(writer: protobuf.Writer, { from, to }: KeyRange): protobuf.Writer {
  text(writer, 1, from);
  if (to !== undefined) text(writer, 2, to);
  return writer;
}

function writeRange(writer: protobuf.Writer, request: RangeRequest): protobuf.Writer {
  writeKeys(writer, request);
  if (request.limit !== undefined) number(writer, 3, request.limit);
  if (request.revision !== undefined) number(writer, 4, request.revision);
  if (request.keysOnly !== undefined) writer.uint32(8 << 3).bool(request.keysOnly);
  return writer;
}

const comparisons = { equal: 0, notEqual: 3 };
const targets = { createRevision: 1, modRevision: 2 };
/** Of what is compared with, per target. */
const comparedWith = { createRevision: 5, modRevision: 6 };

function writeCompare(writer: protobuf.Writer, compare: Compare): protobuf.Writer {
  const target = compare.test === "modRevision" ? "modRevision" : "createRevision";
  writer.uint32(1 << 3).int32(compare.test === "present" ? comparisons.notEqual : comparisons.equal);
  writer.uint32(2 << 3).int32(targets[target]);
  text(writer, 3, compare.key);
  // What is not there has create revision 0.
  return number(writer, comparedWith[target], "equals" in compare ? compare.equals : 0);
}

/** What is more than `most` goes in transactions of its own. */
function writeOperations(
  writer: protobuf.Writer,
  field: number,
  operations: readonly Operation[],
  most: number,
): void {
  if (operations.length <= most) {
    for (const operation of operations) writeOperation(begin(writer, field), operation).ldelim();
    return;
  }
  for (let from = 0; from < operations.length; from += maxNestedOperations) {
    const nested = begin(begin(writer, field), 4);
    const part = operations.slice(from, from + maxNestedOperations);
    writeOperations(nested, 2, part, maxNestedOperations);
    nested.ldelim().ldelim();
  }
}

function writeOperation(writer: protobuf.Writer, operation: Operation): protobuf.Writer {
  switch (operation.op) {
    case "get":
      return writeRange(begin(writer, 1), operation).ldelim();
    case "put": {
      const put = text(text(begin(writer, 2), 1, operation.key), 2, operation.value);
      if (operation.leaseId !== undefined) number(put, 3, operation.leaseId);
      return put.ldelim();
    }
    case "delete":
      return writeKeys(begin(writer, 3), operation).ldelim();
  }
}

/** Where the message ends that comes next. */
function endOf(reader: protobuf.Reader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

/** The revision: what else a header says counts for nobody. */
function readHeader(reader: protobuf.Reader): number {
  let revision = 0;
  for (const end = endOf(reader); reader.pos < end; ) {
    const tag = reader.uint32();
    if (tag >>> 3 === 3) revision = readInt64(reader);
    else reader.skipType(tag & 7);
  }
  return revision;
}

function readRange(reader: protobuf.Reader, end: number): RangeResult {
  let revision = 0;
  let more = false;
  const rows: KeyValue[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 1:
        revision = readHeader(reader);
        break;
      case 2:
        rows.push(readRow(reader));
        break;
      case 3:
        more = reader.bool();
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return { revision, rows, more };
}

/** Adds to `results` what each operation answered with, those of nested transactions in their place. */
function readTxn(
  reader: protobuf.Reader,
  end: number,
  results: (readonly KeyValue[])[],
): { readonly succeeded: boolean; readonly revision: number } {
  let succeeded = false;
  let revision = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 1:
        revision = readHeader(reader);
        break;
      case 2:
        succeeded = reader.bool();
        break;
      case 3:
        readResults(reader, results);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return { succeeded, revision };
}

const noRows: readonly KeyValue[] = [];

/** Of one operation: the rows of a get, none of a put or delete, and of a transaction what its own have. */
function readResults(reader: protobuf.Reader, results: (readonly KeyValue[])[]): void {
  const end = endOf(reader);
  switch (reader.uint32() >>> 3) {
    case 1:
      results.push(readRange(reader, endOf(reader)).rows);
      break;
    case 4:
      readTxn(reader, endOf(reader), results);
      break;
    default:
      results.push(noRows);
  }
  reader.pos = end;
}

function readEvent(reader: protobuf.Reader): WatchEvent {
  let isDelete = false;
  let row: KeyValue | undefined;
  for (const end = endOf(reader); reader.pos < end; ) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 1:
        isDelete = reader.int32() === 1;
        break;
      case 2:
        row = readRow(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  if (row === undefined) throw new RangeError("an event without a row");
  return isDelete ? { type: "delete", key: row.key, modRevision: row.modRevision } : { type: "put", row };
}

function readRow(reader: protobuf.Reader): KeyValue {
  let [key, value, createRevision, modRevision, leaseId] = ["", "", 0, 0, "0"];
  for (const end = endOf(reader); reader.pos < end; ) {
    const tag = reader.uint32();
    switch (tag >>> 3) {
      case 1:
        key = reader.string();
        break;
      case 2:
        createRevision = readInt64(reader);
        break;
      case 3:
        modRevision = readInt64(reader);
        break;
      case 5:
        value = reader.string();
        break;
      case 6:
        leaseId = readLeaseId(reader);
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return { key, value, createRevision, modRevision, leaseId };
}

/** Exact to 2^53, which no revision reaches. What `Reader.int64` gives, and whether it rounds, depends on what is installed. */
function readInt64(reader: protobuf.Reader): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = nextByte(reader);
    value += (byte & 127) * factor;
    if (byte < 128) return value;
  }
}

/** Exact: the ids that etcd chooses for other programs' leases exceed 2^53. */
function readLeaseId(reader: protobuf.Reader): string {
  const start = reader.pos;
  const id = readInt64(reader);
  if (Number.isSafeInteger(id)) return String(id);
  reader.pos = start;
  let exact = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = nextByte(reader);
    exact |= BigInt(byte & 127) << shift;
    if (byte < 128) return String(exact);
  }
}

function nextByte(reader: protobuf.Reader): number {
  const byte = reader.buf[reader.pos];
  if (byte === undefined) throw new RangeError("a number is cut off");
  reader.pos += 1;
  return byte;
}
