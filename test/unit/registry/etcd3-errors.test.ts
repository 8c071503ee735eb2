import { StoreError } from "@fleet/registry";
import { expect, test } from "vitest";
import { neverSent, storeError } from "../../../packages/registry/src/etcd3-errors.ts";

test.each([
  ["14 UNAVAILABLE: etcdserver: no leader", "etcd_unavailable"],
  ["14 UNAVAILABLE: etcdserver: request timed out", "etcd_unavailable"],
  ["1 CANCELLED: Cancelled on client", "etcd_unavailable"],
  ["13 INTERNAL: Received RST_STREAM with code 2", "etcd_unavailable"],
  ["8 RESOURCE_EXHAUSTED: etcdserver: too many requests", "etcd_unavailable"],
  ["4 DEADLINE_EXCEEDED: Deadline exceeded after 1.0s", "etcd_timeout"],
  ["11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted", "etcd_compacted"],
  ["5 NOT_FOUND: etcdserver: requested lease not found", "etcd_lease_not_found"],
  ["8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded", "etcd_no_space"],
  ["8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs 4)", "etcd_too_large"],
  ["3 INVALID_ARGUMENT: etcdserver: request is too large", "etcd_too_large"],
  ["7 PERMISSION_DENIED: etcdserver: permission denied", "etcd_denied"],
  ["16 UNAUTHENTICATED: etcdserver: invalid auth token", "etcd_denied"],
  ["3 INVALID_ARGUMENT: etcdserver: user name is empty", "etcd_denied"],
  ["14 UNAVAILABLE: No connection established. Last error: self-signed certificate", "etcd_denied"],
  ["3 INVALID_ARGUMENT: etcdserver: duplicate key given in txn request", "etcd_failed"],
  ["what nobody foresaw", "etcd_failed"],
])("%s is %s", (message, code) => {
  expect(storeError(new Error(message), "http://10.0.0.1:2379")).toMatchObject({
    name: "StoreError",
    code,
    message: `etcd at http://10.0.0.1:2379: ${message}`,
  });
});

test.each([
  ["14 UNAVAILABLE: No connection established. Last error: ECONNREFUSED", true],
  ["14 UNAVAILABLE: Connection dropped", false],
])("whether it may be sent again: %s: %s", (message, expected) => {
  expect(neverSent(new StoreError("etcd_unavailable", message))).toBe(expected);
});

test("an empty note of the library is left out", () => {
  const { message } = storeError(
    new Error("14 UNAVAILABLE: No connection established. Last error: ECONNREFUSED. Resolution note: "),
    "http://10.0.0.1:2379",
  );
  expect(message).toBe(
    "etcd at http://10.0.0.1:2379: 14 UNAVAILABLE: No connection established. Last error: ECONNREFUSED.",
  );
});
