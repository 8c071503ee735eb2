import { type UnitOption, unitHash } from "@fleet/core";
import {
  MemoryStore,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
} from "@fleet/registry";
import { expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { BreakableStore } from "./breakable-store.ts";

const former: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const latter: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/false" }];

/** Something happens after the unit's record was read and before its file is looked for. */
class InterruptedStore extends BreakableStore {
  meanwhile: (() => Promise<void>) | undefined;

  override async range(request: RangeRequest): Promise<RangeResult> {
    await this.#lookingFor([request.from]);
    return await super.range(request);
  }

  override async txn(request: TxnRequest): Promise<TxnResult> {
    await this.#lookingFor(request.compares.map(({ key }) => key));
    return await super.txn(request);
  }

  async #lookingFor(keys: readonly string[]): Promise<void> {
    const { meanwhile } = this;
    if (meanwhile === undefined || !keys.some((key) => key.startsWith("/fleet/bodies/"))) return;
    this.meanwhile = undefined;
    await meanwhile();
  }
}

test.each(["kept", "compacted"] as const)(
  "a new target is taken although the content is replaced, and the former file collected, meanwhile (history %s)",
  async (history) => {
    const bench = new Bench();
    const store = new InterruptedStore(new MemoryStore(bench.etcd));
    const registry = await bench.registry(store);
    const other = await bench.registry();
    await registry.intents.put({ name: "a.service", options: former, target: "loaded" });
    store.meanwhile = async () => {
      await other.intents.put({ name: "a.service", options: latter, target: "loaded" });
      bench.remove(`bodies/${unitHash(former)}`);
      if (history === "compacted") bench.etcd.compact();
    };
    expect(await registry.intents.put({ name: "a.service", target: "launched" })).toMatchObject({
      outcome: "changed",
    });
    expect(await registry.intents.read("a.service")).toMatchObject({
      options: latter,
      record: { target: "launched" },
    });
  },
);
