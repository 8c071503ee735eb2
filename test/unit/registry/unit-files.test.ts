import { type UnitOption, unitHash } from "@fleet/core";
import { MemoryStore, type RangeRequest, type RangeResult, type Registry } from "@fleet/registry";
import { expect, test } from "vitest";
import { encodeBody } from "../../../packages/registry/src/unit-body.ts";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

function file(name: string): readonly UnitOption[] {
  return [{ section: "Service", name: "ExecStart", value: `/bin/${name}` }];
}

class CountingStore extends BreakableStore {
  ranges = 0;

  override range(request: RangeRequest): Promise<RangeResult> {
    this.ranges += 1;
    return super.range(request);
  }
}

async function stored(
  ...files: readonly (readonly UnitOption[])[]
): Promise<{ bench: Bench; store: CountingStore; registry: Registry }> {
  const bench = new Bench();
  const store = new CountingStore(new MemoryStore(bench.etcd));
  const registry = await bench.registry(store);
  for (const each of files) bench.put(`bodies/${unitHash(each)}`, encodeBody(each));
  store.ranges = 0;
  return { bench, store, registry };
}

test("a file that many units ask for at the same time is asked for once", async () => {
  const { store, registry } = await stored(file("a"));
  const hash = unitHash(file("a"));
  expect(await Promise.all([registry.body(hash), registry.body(hash)])).toEqual([file("a"), file("a")]);
  expect(store.ranges).toBe(1);
});

test("a file that is not there, or could not be asked for, is asked for again", async () => {
  const { bench, store, registry } = await stored();
  const hash = unitHash(file("late"));
  expect(await registry.body(hash)).toBeUndefined();
  store.broken = true;
  await expect(registry.body(hash)).rejects.toMatchObject({ code: "etcd_unavailable" });
  store.broken = false;
  bench.put(`bodies/${hash}`, encodeBody(file("late")));
  expect(await registry.body(hash)).toEqual(file("late"));
});
