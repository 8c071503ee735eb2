import { no, ok, type Result } from "@fleet/core";
import type { SortedKeys } from "../cache/sorted-keys.ts";
import { message } from "../contract/messages.ts";

/**
 * A page token is URL-safe base64 of two little-endian uint16, limit and page (from 1), as in fleet, followed
 * by the key of the last row sent. With the key a listing goes on exactly there, whatever came or went
 * meanwhile: each row that stays is listed once. Tokens of fleet itself end after the numbers; they are
 * counted off from the start as fleet does.
 */
export interface PageToken {
  readonly page: number;
  readonly afterKey: string | undefined;
}

const numbersBytes = 4;
/** A key is at most a unit name and a machine id; anything longer was never given out. */
const maxTokenBytes = 1024;
const maxPage = 0xffff;

export function encodePageToken(limit: number, token: PageToken): string {
  const numbers = Buffer.alloc(numbersBytes);
  numbers.writeUInt16LE(limit, 0);
  // The number only matters without a key; a listing of more pages than it can count has one.
  numbers.writeUInt16LE(Math.min(token.page, maxPage), 2);
  const bytes = Buffer.concat([numbers, Buffer.from(token.afterKey ?? "", "utf8")]);
  // With its padding, which fleet's own decoder insists on.
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

export function decodePageToken(text: string, limit: number): Result<PageToken, string> {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) return no(message.pageToken);
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length < numbersBytes || bytes.length > maxTokenBytes) return no(message.pageToken);
  const page = bytes.readUInt16LE(2);
  if (bytes.readUInt16LE(0) !== limit) return no(message.pageLimit(limit));
  if (page === 0) return no(message.pageNumber);
  const key = bytes.subarray(numbersBytes).toString("utf8");
  return ok({ page, afterKey: key === "" ? undefined : key });
}

export interface Listing<Row> {
  readonly keys: SortedKeys;
  /** Undefined: the row is not to be listed. */
  readonly row: (key: string) => Row | undefined;
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Characters of what may be long in a row; rows are short without. */
  readonly weight?: (row: Row) => number;
}

export interface PageRequest {
  /** Undefined for the first page. */
  readonly token: PageToken | undefined;
  /** Rows the client takes at once. Less than two pages of them make one page. */
  readonly welcome: number;
}

/** Rows of one answer, however many are welcome: while it is made nothing else is done. */
const maxRows = 2_000;
/** Characters. An answer that has become as long as this gets no further page. */
const maxWeight = 4 * 1024 * 1024;

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextPageToken: string | undefined;
}

/**
 * One page of at most `limit` rows, or several in one: always whole ones but for the last, so that the token of the next
 * is that of page after page. There is a next page only if it has a row.
 */
export function pageOf<Row>(
  listing: Listing<Row>,
  { token, welcome }: PageRequest,
  limit: number,
): Page<Row> {
  const { keys, row, prefix = "", weight = () => 0 } = listing;
  const fullAt = Math.max(1, Math.floor(Math.min(welcome, maxRows) / limit)) * limit;
  const rows: Row[] = [];
  let lastKey = "";
  let weighs = 0;
  let toSkip = token !== undefined && token.afterKey === undefined ? (token.page - 1) * limit : 0;
  const after = token?.afterKey;
  let position = keys.seek(after !== undefined && after > prefix ? after : prefix);
  if (after !== undefined && keys.at(position) === after) position += 1;
  for (; ; position += 1) {
    const key = keys.at(position);
    if (key === undefined || !key.startsWith(prefix)) return { rows, nextPageToken: undefined };
    const found = row(key);
    if (found === undefined) continue;
    if (toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    const wholePages = rows.length > 0 && rows.length % limit === 0;
    if (wholePages && (rows.length === fullAt || weighs >= maxWeight)) {
      const page = (token?.page ?? 1) + rows.length / limit;
      return { rows, nextPageToken: encodePageToken(limit, { page, afterKey: lastKey }) };
    }
    rows.push(found);
    weighs += weight(found);
    lastKey = key;
  }
}
