import { type UnitOption, unitHash } from "@fleet/core";
import {
  type AssignmentRecord,
  type Change,
  type ChangeBatch,
  type ClusterMemory,
  type EngineWrite,
  type Operation,
  type Registration,
  type RegistrationRequest,
  Registry,
  type RememberedCluster,
  type StateRecord,
  type Store,
  type Term,
} from "@fleet/registry";
import { silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

/** An etcd with any number of clients. */
export interface EtcdUnderContract {
  client(): Store;
  stop(): Promise<void>;
}

/** What a machine remembers, in memory. */
class Remembering implements ClusterMemory {
  saved: RememberedCluster | undefined;

  constructor(saved?: RememberedCluster) {
    this.saved = saved;
  }

  async load(): Promise<RememberedCluster | undefined> {
    return this.saved;
  }

  async save(cluster: RememberedCluster): Promise<void> {
    this.saved = cluster;
  }
}

const hello: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
const other: readonly UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/false" }];

let prefixes = 0;

/** What the registry promises, whatever store is below it. */
export function describeRegistry(name: string, start: () => Promise<EtcdUnderContract>): void {
  describe(`the registry over ${name}`, () => {
    let etcd: EtcdUnderContract;
    let raw: Store;
    const stop = new AbortController();
    const { signal } = stop;
    const opened: Store[] = [];

    beforeAll(async () => {
      etcd = await start();
      raw = etcd.client();
    });

    afterEach(() => {
      for (const store of opened.splice(0)) store.close();
    });

    afterAll(async () => {
      stop.abort();
      raw.close();
      await etcd.stop();
    });

    function prefix(): string {
      prefixes += 1;
      return `/registry/${prefixes}/`;
    }

    /** The registry as one machine has it. */
    function machine(at: string, memory = new Remembering()): Registry {
      const store = etcd.client();
      opened.push(store);
      return new Registry({
        store,
        prefix: at,
        memory,
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      });
    }

    async function ready(at: string, memory?: Remembering): Promise<Registry> {
      const registry = machine(at, memory);
      await registry.guard.open(signal);
      return registry;
    }

    async function change(operation: Operation): Promise<void> {
      await raw.txn({ compares: [], success: [operation] });
    }

    async function write(key: string, value: string): Promise<void> {
      await change({ op: "put", key, value });
    }

    async function wipe(at: string): Promise<void> {
      await change({ op: "delete", from: at, to: `${at.slice(0, -1)}0` });
    }

    async function keysBelow(at: string): Promise<string[]> {
      const { rows } = await raw.range({ from: at, to: `${at.slice(0, -1)}0` });
      return rows.map((row) => row.key.slice(at.length));
    }

    describe("the cluster guard", () => {
      test("creates the cluster once, however many begin at once, and remembers it", async () => {
        const at = prefix();
        const memories = Array.from({ length: 5 }, () => new Remembering());
        await Promise.all(memories.map((memory) => machine(at, memory).guard.open(signal)));
        const [first] = memories;
        expect(first?.saved?.id).toMatch(/^[0-9a-f]{32}$/);
        for (const { saved } of memories) {
          expect(saved).toMatchObject({ id: first?.saved?.id, createRevision: first?.saved?.createRevision });
        }
      });

      test("lets nothing be written before it was opened", async () => {
        const registry = machine(prefix());
        expect(registry.guard.frozen?.code).toBe("cluster_unverified");
        await expect(registry.intents.put({ name: "a.service", options: hello })).rejects.toMatchObject({
          code: "cluster_unverified",
        });
      });

      test("freezes when the store was wiped, and writes nothing", async () => {
        const at = prefix();
        const registry = await ready(at);
        await registry.intents.put({ name: "a.service", options: hello });
        await wipe(at);
        await expect(registry.intents.put({ name: "b.service", options: hello })).rejects.toMatchObject({
          code: "cluster_missing",
        });
        expect(registry.guard.frozen?.code).toBe("cluster_missing");
        await expect(registry.intents.read("a.service")).rejects.toMatchObject({ code: "cluster_missing" });
        await expect(registry.guard.open(signal)).rejects.toMatchObject({ code: "cluster_missing" });
        expect(await keysBelow(at)).toEqual([]);
      });

      test("freezes, after a restart as well, when another cluster is there", async () => {
        const at = prefix();
        const memory = new Remembering();
        const registry = await ready(at, memory);
        await wipe(at);
        await ready(at);
        await expect(registry.guard.open(signal)).rejects.toMatchObject({ code: "cluster_foreign" });
        const restarted = machine(at, memory);
        await expect(restarted.guard.open(signal)).rejects.toMatchObject({ code: "cluster_foreign" });
        await expect(restarted.intents.destroy("a.service")).rejects.toMatchObject({
          code: "cluster_foreign",
        });
      });

      test("freezes when the store is older than what was seen of it", async () => {
        const at = prefix();
        const memory = new Remembering();
        await ready(at, memory);
        const { saved } = memory;
        if (saved === undefined) throw new Error("nothing remembered");
        const later = new Remembering({ ...saved, revision: saved.revision + 100_000 });
        await expect(machine(at, later).guard.open(signal)).rejects.toMatchObject({
          code: "cluster_rolled_back",
        });
      });

      test("takes data without a cluster record for a damaged cluster, not for an empty one", async () => {
        const at = prefix();
        await write(`${at}units/a.service`, "{}");
        await expect(machine(at).guard.open(signal)).rejects.toMatchObject({ code: "cluster_missing" });
      });

      test.each([
        ["a format from the future", JSON.stringify({ v: 1, id: "x", format: 99 })],
        ["garbage", "not json"],
      ])("freezes on %s", async (_, value) => {
        const at = prefix();
        await write(`${at}cluster`, value);
        await expect(machine(at).guard.open(signal)).rejects.toMatchObject({ code: "cluster_format" });
      });

      test("thaws when what was wrong has been put right", async () => {
        const at = prefix();
        const registry = await ready(at);
        const record = (await raw.range({ from: `${at}cluster` })).rows[0]?.value ?? "";
        await write(`${at}cluster`, "garbage");
        await expect(registry.guard.verify()).rejects.toMatchObject({ code: "cluster_format" });
        await write(`${at}cluster`, record);
        await registry.guard.open(signal);
        expect(registry.guard.frozen).toBeUndefined();
        await registry.intents.put({ name: "a.service", options: hello });
      });
    });

    describe("intents", () => {
      type Step =
        | {
            put: { options?: readonly UnitOption[]; target?: "inactive" | "loaded" | "launched" };
            gives: string;
          }
        | { destroy: true; gives: string };

      const histories: readonly (readonly [string, readonly Step[]])[] = [
        ["no options: nothing to make it of", [{ put: { target: "launched" }, gives: "refused no_options" }]],
        ["created, inactive unless said otherwise", [{ put: { options: hello }, gives: "created inactive" }]],
        [
          "created with a target",
          [{ put: { options: hello, target: "launched" }, gives: "created launched" }],
        ],
        [
          "no target for what is there",
          [
            { put: { options: hello, target: "loaded" }, gives: "created loaded" },
            { put: {}, gives: "refused no_target" },
            { put: { options: hello }, gives: "refused no_target" },
          ],
        ],
        [
          "the target alone changes",
          [
            { put: { options: hello }, gives: "created inactive" },
            { put: { target: "launched" }, gives: "changed launched" },
            { put: { target: "launched" }, gives: "unchanged launched" },
            { put: { options: hello, target: "launched" }, gives: "unchanged launched" },
            { put: { options: hello, target: "loaded" }, gives: "changed loaded" },
          ],
        ],
        [
          "other content replaces, and is inactive unless said otherwise",
          [
            { put: { options: hello, target: "launched" }, gives: "created launched" },
            { put: { options: other, target: "launched" }, gives: "replaced launched" },
            { put: { options: hello }, gives: "replaced inactive" },
          ],
        ],
        [
          "destroyed and submitted again",
          [
            { destroy: true, gives: "absent" },
            { put: { options: hello, target: "launched" }, gives: "created launched" },
            { destroy: true, gives: "destroyed" },
            { put: { target: "launched" }, gives: "refused no_options" },
            { put: { options: hello, target: "launched" }, gives: "created launched" },
          ],
        ],
      ];

      test.each(histories)("%s", async (_, steps) => {
        const { intents } = await ready(prefix());
        const unit = "hello.service";
        let generation = 0;
        for (const step of steps) {
          const result =
            "put" in step ? await intents.put({ name: unit, ...step.put }) : await intents.destroy(unit);
          const now = await intents.read(unit);
          const words: string[] = [result.outcome];
          if (result.outcome === "refused") words.push(result.reason);
          else if (now !== undefined) words.push(now.record.target);
          expect(words.join(" ")).toBe(step.gives);
          if (result.outcome === "unchanged") expect(now?.record.generation).toBe(generation);
          else if (result.outcome !== "refused" && now !== undefined) {
            expect(now.record.generation).toBeGreaterThan(generation);
            expect(now.modRevision).toBe("revision" in result ? result.revision : undefined);
            generation = now.record.generation;
          }
          if ("put" in step && step.put.options !== undefined && now !== undefined) {
            expect(now.options).toEqual(step.put.options);
            expect(now.record.hash).toBe(unitHash(step.put.options));
          }
        }
      });

      test("of many that create one unit at once exactly one does", async () => {
        const at = prefix();
        const machines = await Promise.all([ready(at), ready(at), ready(at)]);
        const outcomes = await Promise.all(
          machines.map(({ intents }) =>
            intents.put({ name: "a.service", options: hello, target: "launched" }),
          ),
        );
        expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(["created", "unchanged", "unchanged"]);
      });

      test("concurrent changes all count, each with its own generation", async () => {
        const at = prefix();
        const machines = await Promise.all([ready(at), ready(at)]);
        await machines[0]?.intents.put({ name: "a.service", options: hello });
        const targets = ["loaded", "launched"] as const;
        const results = await Promise.all(
          machines.map(({ intents }, index) =>
            intents.put({ name: "a.service", target: targets[index] ?? "loaded" }),
          ),
        );
        const revisions = results.map((result) => ("revision" in result ? result.revision : 0));
        expect(new Set(revisions).size).toBe(2);
        const last = targets[revisions.indexOf(Math.max(...revisions))];
        expect((await machines[0]?.intents.read("a.service"))?.record.target).toBe(last);
      });

      test("a body is stored once per content and found by its hash", async () => {
        const at = prefix();
        const registry = await ready(at);
        await registry.intents.put({ name: "a.service", options: hello });
        await registry.intents.put({ name: "b.service", options: hello });
        expect(await keysBelow(`${at}bodies/`)).toEqual([unitHash(hello)]);
        expect(await registry.body(unitHash(hello))).toEqual(hello);
        expect(await registry.body(unitHash(other))).toBeUndefined();
      });

      test("a garbage record is an error, and content given anew repairs it", async () => {
        const at = prefix();
        const { intents } = await ready(at);
        await write(`${at}units/a.service`, "garbage");
        await expect(intents.read("a.service")).rejects.toMatchObject({ code: "record_corrupt" });
        expect(await intents.put({ name: "a.service", target: "loaded" })).toMatchObject({
          outcome: "refused",
        });
        expect(await intents.put({ name: "a.service", options: hello })).toMatchObject({
          outcome: "replaced",
        });
        expect((await intents.read("a.service"))?.options).toEqual(hello);
      });

      test("fields of later versions survive a change of target", async () => {
        const at = prefix();
        const { intents } = await ready(at);
        await intents.put({ name: "a.service", options: hello });
        const record = (await raw.range({ from: `${at}units/a.service` })).rows[0]?.value ?? "{}";
        await write(`${at}units/a.service`, record.replace(/}$/, ',"later":[1]}'));
        await intents.put({ name: "a.service", target: "loaded" });
        const value = (await raw.range({ from: `${at}units/a.service` })).rows[0]?.value ?? "";
        expect(JSON.parse(value)).toMatchObject({ v: 1, target: "loaded", later: [1] });
      });
    });

    describe("metadata", () => {
      async function stored(at: string): Promise<Readonly<Record<string, unknown>>> {
        const { rows } = await raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
        return Object.fromEntries(
          rows.map(({ key, value }) => [key.slice(`${at}metadata/`.length), JSON.parse(value)]),
        );
      }

      test("sets values and leaves tombstones, in one revision, on no lease", async () => {
        const at = prefix();
        const { metadata } = await ready(at);
        await metadata.apply([{ machineId: "m1", key: "disk", value: "hdd" }]);
        const revision = await metadata.apply([
          { machineId: "m1", key: "disk", value: undefined },
          { machineId: "m2", key: "role", value: "web" },
          { machineId: "m1", key: "never.set", value: undefined },
        ]);
        expect(await stored(at)).toEqual({
          "m1/disk": { v: 1, removed: true },
          "m1/never.set": { v: 1, removed: true },
          "m2/role": { v: 1, value: "web" },
        });
        const { rows } = await raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
        expect(rows.map(({ modRevision, leaseId }) => [modRevision, leaseId])).toEqual(
          rows.map(() => [revision, "0"]),
        );
      });

      test("of several changes of one key the last counts", async () => {
        const at = prefix();
        const { metadata } = await ready(at);
        await metadata.apply(["a", undefined, "b"].map((value) => ({ machineId: "m1", key: "role", value })));
        expect(await stored(at)).toEqual({ "m1/role": { v: 1, value: "b" } });
      });

      test.each([
        ["128 are one transaction", 128, "x", 1],
        ["more than etcd takes in one are several", 300, "x", 3],
        ["so are fewer large ones", 4, "x".repeat(400_000), 4],
      ])("%s", async (_, count, value, revisions) => {
        const at = prefix();
        const { metadata } = await ready(at);
        const changes = Array.from({ length: count }, (_, index) => ({
          machineId: "m1",
          key: `k${index}`,
          value,
        }));
        const revision = await metadata.apply(changes);
        const { rows } = await raw.range({ from: `${at}metadata/`, to: `${at}metadata0` });
        expect(rows).toHaveLength(count);
        const written = new Set(rows.map(({ modRevision }) => modRevision));
        expect([written.size, Math.max(...written)]).toEqual([revisions, revision]);
      });

      test("writes nothing for no change, and nothing of what holds a value too large", async () => {
        const at = prefix();
        const { metadata } = await ready(at);
        expect(await metadata.apply([])).toBeUndefined();
        const changes = ["x", "x".repeat(1_100_000)].map((value, index) => ({
          machineId: "m1",
          key: `k${index}`,
          value,
        }));
        await expect(metadata.apply(changes)).rejects.toMatchObject({ code: "etcd_too_large" });
        expect(await stored(at)).toEqual({});
      });

      test("writes nothing into a store that was wiped", async () => {
        const at = prefix();
        const { metadata } = await ready(at);
        await wipe(at);
        await expect(metadata.apply([{ machineId: "m1", key: "role", value: "web" }])).rejects.toMatchObject({
          code: "cluster_missing",
        });
        expect(await keysBelow(at)).toEqual([]);
      });
    });

    describe("registration", () => {
      const request = (changes: Partial<RegistrationRequest> = {}): RegistrationRequest => ({
        machineId: "m1",
        token: "t1",
        publicIp: "10.0.0.1",
        metadata: { region: "eu" },
        version: "2.0.0",
        ttlMs: 5_000,
        ...changes,
      });

      async function register(
        registry: Registry,
        changes: Partial<RegistrationRequest> = {},
      ): Promise<Registration> {
        const result = await registry.registrations.register(request(changes), signal);
        if (result.outcome !== "registered") throw new Error(`refused by ${result.holder}`);
        return result.registration;
      }

      const state = (sub: string, launched = true): StateRecord => ({
        hash: unitHash(hello),
        load: "loaded",
        active: "active",
        sub,
        launched,
      });

      const assignment = (generation: number): AssignmentRecord => ({
        hash: unitHash(hello),
        target: "launched",
        generation,
        awaits: [],
      });

      /** Mod revision of the assignment written. */
      async function assign(at: string, unit: string): Promise<number> {
        await write(`${at}assignments/m1/${unit}`, JSON.stringify({ v: 1, ...assignment(1) }));
        return (await raw.range({ from: `${at}assignments/m1/${unit}` })).rows[0]?.modRevision ?? 0;
      }

      test("another token is refused and told who holds the id; the holder notices nothing", async () => {
        const at = prefix();
        const holder = await register(await ready(at));
        const second = await ready(at);
        expect(await second.registrations.register(request({ token: "t2" }), signal)).toEqual({
          outcome: "refused",
          holder: "10.0.0.1",
        });
        await holder.publish({ put: [{ unit: "a.service", record: state("running") }], remove: [] });
        expect(holder.lost.aborted).toBe(false);
        await holder.leave();
      });

      test("the same token takes over number and rows; the earlier process is told", async () => {
        const at = prefix();
        const before = await register(await ready(at));
        const units = Array.from({ length: 250 }, (_, index) => `u${index}.service`);
        const put = units.map((unit) => ({ unit, record: state("running") }));
        await before.publish({ put, remove: [] });
        const after = await register(await ready(at), { publicIp: "10.0.0.2" });
        expect(after.number).toBe(before.number);
        expect([...(await after.published()).keys()].sort()).toEqual([...units].sort());
        await expect(before.publish({ put, remove: [] })).rejects.toMatchObject({
          code: "registration_lost",
        });
        expect(before.lost.aborted).toBe(true);
        await after.publish({ put: [], remove: units.slice(0, 249) });
        expect([...(await after.published()).keys()]).toEqual(units.slice(249));
        await after.leave();
        expect(await keysBelow(at)).toEqual(["cluster"]);
      });

      test("after leaving, a new registration has a new number", async () => {
        const at = prefix();
        const registry = await ready(at);
        const first = await register(registry);
        await first.leaving();
        const row = (await raw.range({ from: `${at}machines/m1` })).rows[0];
        expect(JSON.parse(row?.value ?? "")).toMatchObject({ leaving: true, metadata: { region: "eu" } });
        expect(row?.createRevision).toBe(first.number);
        await first.leave();
        const second = await register(registry, { token: "t2" });
        expect(second.number).toBeGreaterThan(first.number);
        await second.leave();
      });

      test("publishing leaves out rows whose assignment has changed, and writes the others", async () => {
        const at = prefix();
        const registration = await register(await ready(at));
        const units = Array.from({ length: 130 }, (_, index) => `u${index}.service`);
        const put = [];
        for (const unit of units) {
          put.push({ unit, record: state("running"), assignedAt: await assign(at, unit) });
        }
        await assign(at, "u7.service");
        await change({ op: "delete", from: `${at}assignments/m1/u128.service` });
        const { stale } = await registration.publish({ put, remove: [] });
        expect(stale).toEqual(["u7.service", "u128.service"]);
        const published = await registration.published();
        expect(published.size).toBe(128);
        expect(published.get("u7.service")).toBeUndefined();
        expect(published.get("u8.service")).toMatchObject(state("running"));
        await registration.leave();
      });

      test("absence is confirmed for what is really absent, in order", async () => {
        const at = prefix();
        const registration = await register(await ready(at));
        await assign(at, "b.service");
        expect(await registration.confirmAbsent(["c.service", "b.service", "a.service"])).toEqual([
          "c.service",
          "a.service",
        ]);
        await registration.leave();
      });

      test("a wiped store confirms no absence", async () => {
        const at = prefix();
        const registry = await ready(at);
        const registration = await register(registry);
        await wipe(at);
        await expect(registration.confirmAbsent(["a.service"])).rejects.toMatchObject({
          code: "cluster_missing",
        });
        await expect(
          registration.publish({ put: [{ unit: "a.service", record: state("running") }], remove: [] }),
        ).rejects.toMatchObject({ code: "cluster_missing" });
        expect(await keysBelow(at)).toEqual([]);
        await registration.leave();
      });

      test("a row that was deleted ends the registration", async () => {
        const at = prefix();
        const registration = await register(await ready(at));
        await change({ op: "delete", from: `${at}machines/m1` });
        await expect(registration.confirmAbsent(["a.service"])).rejects.toMatchObject({
          code: "registration_lost",
        });
        expect(registration.lost.aborted).toBe(true);
      });
    });

    describe("leading", () => {
      const candidate = (machineId: string): { machineId: string; ttlMs: number } => ({
        machineId,
        ttlMs: 2_000,
      });

      test("one leads; when it resigns the other does at once", async () => {
        const at = prefix();
        const [a, b] = [await ready(at), await ready(at)];
        const first = await a.leadership.campaign(candidate("a"), signal);
        let second: Term | undefined;
        const campaign = b.leadership.campaign(candidate("b"), signal).then((term) => {
          second = term;
        });
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(second).toBeUndefined();
        const resignedAt = performance.now();
        await first.resign();
        await campaign;
        expect(performance.now() - resignedAt).toBeLessThan(1_500);
        expect(second?.number).toBeGreaterThan(first.number);
        expect(first.lost.aborted).toBe(false);
        await second?.resign();
      });

      test("a leader that is never heard of again is replaced when its lease ends", async () => {
        const at = prefix();
        const store = etcd.client();
        const a = new Registry({
          store,
          prefix: at,
          memory: new Remembering(),
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
        });
        await a.guard.open(signal);
        const first = await a.leadership.campaign(candidate("a"), signal);
        const campaign = (await ready(at)).leadership.campaign(candidate("b"), signal);
        const killedAt = performance.now();
        store.close();
        const second = await campaign;
        // Half a second for etcd's own look at its leases, the rest for a busy machine.
        expect(performance.now() - killedAt).toBeLessThan(2_000 + 2_000);
        expect(first.lost.aborted).toBe(true);
        await second.resign();
      });

      test("a campaign can be given up", async () => {
        const at = prefix();
        const registry = await ready(at);
        const term = await registry.leadership.campaign(candidate("a"), signal);
        const giveUp = new AbortController();
        const campaign = expect(
          registry.leadership.campaign(candidate("b"), giveUp.signal),
        ).rejects.toMatchObject({ code: "aborted" });
        giveUp.abort();
        await campaign;
        await term.resign();
      });

      test("a commit writes everything, settles last and answers with the revision", async () => {
        const at = prefix();
        const registry = await ready(at);
        const term = await registry.leadership.campaign(candidate("a"), signal);
        const record: AssignmentRecord = {
          hash: unitHash(hello),
          target: "loaded",
          generation: 1,
          awaits: ["x"],
        };
        const writes: EngineWrite[] = [{ op: "settle", machineId: "m1", registration: 5 }];
        for (let index = 0; index < 1_000; index += 1) {
          writes.push({ op: "assign", machineId: "m1", unit: `u${index}.service`, record });
        }
        const outcome = await registry.commit(term, writes, signal);
        const { rows, revision } = await raw.range({
          from: `${at}assignments/m1/`,
          to: `${at}assignments/m10`,
        });
        expect(rows).toHaveLength(1_001);
        const settled = rows.find((row) => row.key.endsWith("/@settled"));
        expect(outcome).toEqual({ outcome: "committed", revision });
        expect(settled?.modRevision).toBe(revision);
        expect(rows.filter((row) => row.modRevision >= revision)).toEqual([settled]);
        expect(JSON.parse(rows.find((row) => row.key.endsWith("/u9.service"))?.value ?? "")).toEqual({
          v: 1,
          ...record,
        });

        const again = await registry.commit(
          term,
          [
            { op: "assign", machineId: "m1", unit: "u1.service", record },
            { op: "withdraw", machineId: "m1", unit: "u1.service" },
          ],
          signal,
        );
        expect(again.outcome).toBe("committed");
        expect(await keysBelow(`${at}assignments/m1/`)).not.toContain("u1.service");
        await term.resign();
      });

      test("a fenced commit changes nothing and ends the term", async () => {
        const at = prefix();
        const registry = await ready(at);
        const term = await registry.leadership.campaign(candidate("a"), signal);
        await write(`${at}leader`, JSON.stringify({ v: 1, machineId: "a" }));
        await change({ op: "delete", from: `${at}leader` });
        const other = await (await ready(at)).leadership.campaign(candidate("b"), signal);
        const before = await keysBelow(at);
        expect(
          await registry.commit(term, [{ op: "settle", machineId: "m1", registration: 1 }], signal),
        ).toEqual({ outcome: "fenced" });
        expect(await keysBelow(at)).toEqual(before);
        expect(term.lost.aborted).toBe(true);
        expect(other.lost.aborted).toBe(false);
        await other.resign();
      });

      test("only a body nobody has written since is collected", async () => {
        const at = prefix();
        const registry = await ready(at);
        const term = await registry.leadership.campaign(candidate("a"), signal);
        await registry.intents.put({ name: "a.service", options: hello });
        await registry.intents.put({ name: "b.service", options: other });
        await registry.intents.destroy("a.service");
        await registry.intents.destroy("b.service");
        const modRevision = async (options: readonly UnitOption[]): Promise<number> =>
          (await raw.range({ from: `${at}bodies/${unitHash(options)}` })).rows[0]?.modRevision ?? 0;
        const writes: EngineWrite[] = [
          { op: "collect-body", hash: unitHash(hello), modRevision: await modRevision(hello) },
          { op: "collect-body", hash: unitHash(other), modRevision: await modRevision(other) },
        ];
        await registry.intents.put({ name: "c.service", options: other });
        expect((await registry.commit(term, writes, signal)).outcome).toBe("committed");
        expect(await keysBelow(`${at}bodies/`)).toEqual([unitHash(other)]);
        await term.resign();
      });
    });

    describe("following", () => {
      async function take(batches: AsyncIterator<ChangeBatch>): Promise<ChangeBatch> {
        const { value, done } = await batches.next();
        if (done === true) throw new Error("following ended");
        return value;
      }

      function told(changes: readonly Change[]): string[] {
        return changes.map(({ kind, entry, ...subject }) =>
          [kind, ...Object.values(subject), entry.status].join(" "),
        );
      }

      test("an empty machine is told as an empty batch; then exactly what changes", async () => {
        const at = prefix();
        const registry = await ready(at);
        const ended = new AbortController();
        const batches = registry.followMachine("m1", ended.signal)[Symbol.asyncIterator]();
        expect((await take(batches)).changes).toEqual([]);
        await write(`${at}assignments/m1/a.service`, "garbage");
        await write(`${at}assignments/m10/b.service`, "{}");
        await write(`${at}assignments/m1/@settled`, JSON.stringify({ v: 1, registration: 7 }));
        // etcd may tell several revisions at once.
        const changes: Change[] = [];
        while (changes.length < 2) changes.push(...(await take(batches)).changes);
        expect(changes).toMatchObject([
          { kind: "assignment", machineId: "m1", unit: "a.service", entry: { status: "corrupt" } },
          {
            kind: "settled",
            machineId: "m1",
            entry: { status: "present", value: { registration: 7 } },
          },
        ]);
        const waiting = expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
        ended.abort();
        await waiting;
      });

      test("the cluster is told with all its kinds", async () => {
        const at = prefix();
        const registry = await ready(at);
        await registry.intents.put({ name: "a.service", options: hello, target: "loaded" });
        await write(`${at}metadata/m1/role`, JSON.stringify({ v: 1, removed: true }));
        await write(`${at}something/else`, "not ours");
        const term = await registry.leadership.campaign({ machineId: "m1", ttlMs: 5_000 }, signal);
        const ended = new AbortController();
        const batches = registry.followCluster(ended.signal)[Symbol.asyncIterator]();
        const first = await take(batches);
        expect(told(first.changes).sort()).toEqual([
          `body ${unitHash(hello)} present`,
          "cluster present",
          "leader present",
          "metadata m1 role present",
          "unit a.service present",
        ]);
        await term.resign();
        const next = await take(batches);
        expect(told(next.changes)).toEqual(["leader absent"]);
        expect(next.revision).toBeGreaterThan(first.revision);
        ended.abort();
        await expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
      });

      test("what takes several pages is told as one batch", async () => {
        const at = prefix();
        const registry = await ready(at);
        const count = 2_500;
        for (let first = 0; first < count; first += 125) {
          const puts = Array.from(
            { length: 125 },
            (_, index) =>
              ({ op: "put", key: `${at}units/u${first + index}.service`, value: "x".repeat(3_000) }) as const,
          );
          await raw.txn({ compares: [], success: puts });
        }
        const ended = new AbortController();
        const batches = registry.followCluster(ended.signal)[Symbol.asyncIterator]();
        const names = (await take(batches)).changes.flatMap((change) =>
          change.kind === "unit" ? [change.name] : [],
        );
        expect(new Set(names).size).toBe(count);
        expect(names).toHaveLength(count);
        ended.abort();
        await expect(batches.next()).rejects.toMatchObject({ code: "aborted" });
      });

      test("a wiped store is not told as deletions: following stops and the cluster is frozen", async () => {
        const at = prefix();
        const registry = await ready(at);
        await registry.intents.put({ name: "a.service", options: hello, target: "loaded" });
        const ended = new AbortController();
        const failures: string[] = [];
        const observer = {
          connected: () => failures.push("connected"),
          disconnected: (error: { code: string }) => failures.push(error.code),
        };
        const batches = registry.followCluster(ended.signal, observer)[Symbol.asyncIterator]();
        await take(batches);
        const next = batches.next().then(
          () => "delivered",
          () => "ended",
        );
        await wipe(at);
        await expect.poll(() => registry.guard.frozen?.code, { timeout: 5_000 }).toBe("cluster_missing");
        ended.abort();
        expect(await next).toBe("ended");
        expect(failures).toEqual(["connected", "cluster_missing"]);
      });
    });
  });
}
