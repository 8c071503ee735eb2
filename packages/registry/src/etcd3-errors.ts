import { AbortedError, errorMessage } from "@fleet/runtime";
import { StoreError, type StoreErrorCode } from "./store.ts";

/** gRPC puts its status code, as a number, in front of every message; the library keeps the message only. */
const statusPattern = /\b(\d{1,2}) [A-Z_]+:/;

/** What etcd says in words; these go before the status, which is less exact. */
const phrases: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/requested lease not found/, "etcd_lease_not_found"],
  [/required revision has been compacted/, "etcd_compacted"],
  [/database space exceeded/, "etcd_no_space"],
  [/request is too large|message larger than max/, "etcd_too_large"],
  [
    /permission denied|invalid user|auth token|user name is empty|authentication is not enabled/,
    "etcd_denied",
  ],
  [/certificate|self.signed/i, "etcd_denied"],
];

const statuses: ReadonlyMap<number, StoreErrorCode> = new Map([
  [1, "etcd_unavailable"],
  [4, "etcd_timeout"],
  [7, "etcd_denied"],
  // Too many requests; an oversized message is recognised above.
  [8, "etcd_unavailable"],
  [13, "etcd_unavailable"],
  [14, "etcd_unavailable"],
  [16, "etcd_denied"],
]);

/**
 * Maps whatever the library throws; errors that are ours already pass through. The library seldom says which etcd it
 * speaks of, and a wrong address is best told by showing it.
 */
export function storeError(error: unknown, address: string): StoreError | AbortedError {
  if (error instanceof StoreError || error instanceof AbortedError) return error;
  // The gRPC library appends a note on name resolution even when it has nothing to note.
  const message = errorMessage(error).replace(/ Resolution note:\s*$/, "");
  return new StoreError(codeOf(message), `etcd at ${address}: ${message}`, error);
}

function codeOf(message: string): StoreErrorCode {
  const phrase = phrases.find(([pattern]) => pattern.test(message));
  if (phrase !== undefined) return phrase[1];
  if (/client was already closed/.test(message)) return "etcd_unavailable";
  const status = Number(statusPattern.exec(message)?.[1] ?? Number.NaN);
  return statuses.get(status) ?? "etcd_failed";
}

/** The request certainly never left this process: sending it elsewhere cannot carry it out twice. */
export function neverSent(error: StoreError): boolean {
  return /No connection established|Channel closed before call started|client was already closed/.test(
    error.message,
  );
}
