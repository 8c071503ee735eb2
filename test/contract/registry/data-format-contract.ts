import { expect, test } from "vitest";
import { hello, type RegistryBench, Remembering } from "./registry-bench.ts";

/** Versions of fleetd that read one data format more each, side by side. */
export function describeDataFormat(bench: RegistryBench): void {
  const { prefix, machine, ready, signal } = bench;
  const old = [1];
  const fresh = [1, 2];

  const join = async (at: string, number: number, formats: readonly number[]) => {
    const memory = new Remembering();
    const registry = await ready(at, memory, formats);
    const machineId = `${number}`.repeat(32);
    const request = { machineId, token: "t", publicIp: "", metadata: {}, version: "0", ttlMs: 60_000 };
    const outcome = await registry.registrations.register(request, signal);
    if (outcome.outcome !== "registered") throw new Error("the id is taken");
    return { registry, memory, registration: outcome.registration };
  };
  const lead = (registry: Awaited<ReturnType<typeof join>>["registry"]) =>
    registry.leadership.campaign({ machineId: "m", ttlMs: 60_000 }, signal);
  const formatOf = async (at: string): Promise<unknown> => {
    const { rows } = await bench.raw.range({ from: `${at}cluster` });
    return JSON.parse(rows[0]?.value ?? "{}").format;
  };

  test("a new cluster has the latest format that its first machine reads", async () => {
    const at = prefix();
    await join(at, 1, fresh);
    expect(await formatOf(at)).toBe(2);
  });

  test("the format rises when the last machine present that does not read it has been upgraded", async () => {
    const at = prefix();
    const first = await join(at, 1, old);
    const second = await join(at, 2, fresh);
    const term = await lead(second.registry);
    expect(await second.registry.raiseFormat(term)).toBeUndefined();
    expect(await formatOf(at)).toBe(1);

    await first.registration.leave();
    await join(at, 1, fresh);
    expect(await second.registry.raiseFormat(term)).toBe(2);
    expect(await formatOf(at)).toBe(2);
    // It is the same cluster as before, and there is nothing left to raise.
    await second.registry.intents.put({ name: "a.service", options: hello });
    expect(await second.registry.raiseFormat(term)).toBeUndefined();
  });

  test("a machine whose record cannot be read is waited for", async () => {
    const at = prefix();
    await join(at, 1, old).then(({ registration }) => registration.leave());
    const { registry } = await join(at, 2, fresh);
    const term = await lead(registry);
    await bench.write(`${at}machines/${"3".repeat(32)}`, "garbage");
    expect(await registry.raiseFormat(term)).toBeUndefined();
  });

  test("a fleetd that verified the cluster before the format rose joins and writes nothing after it", async () => {
    const at = prefix();
    await join(at, 1, old).then(({ registration }) => registration.leave());
    const { registry } = await join(at, 2, fresh);
    const verified = await ready(at, new Remembering(), old);
    const verifiedToo = await ready(at, new Remembering(), old);
    const term = await lead(registry);
    expect(await registry.raiseFormat(term)).toBe(2);

    const machineId = "3".repeat(32);
    const request = { machineId, token: "t", publicIp: "", metadata: {}, version: "0", ttlMs: 60_000 };
    const frozen = { code: "cluster_format" };
    await expect(verified.registrations.register(request, signal)).rejects.toMatchObject(frozen);
    await expect(verifiedToo.intents.put({ name: "late.service", options: hello })).rejects.toMatchObject(
      frozen,
    );
    const { rows } = await bench.raw.range({ from: `${at}machines/${machineId}` });
    expect(rows).toEqual([]);
    // Who reads it goes on as if nothing had been.
    await registry.intents.put({ name: "a.service", options: hello });
  });

  test("a deposed leader raises nothing", async () => {
    const at = prefix();
    await join(at, 1, old).then(({ registration }) => registration.leave());
    const { registry } = await join(at, 2, fresh);
    const term = await lead(registry);
    await term.resign();
    expect(await registry.raiseFormat(term)).toBeUndefined();
    expect(await formatOf(at)).toBe(1);
  });

  test("a fleetd that was away and does not read the new format freezes, leads nobody and writes nothing", async () => {
    const at = prefix();
    const away = await join(at, 1, old);
    await away.registration.leave();
    const { registry } = await join(at, 2, fresh);
    const term = await lead(registry);
    expect(await registry.raiseFormat(term)).toBe(2);
    await term.resign();

    // Its process has gone on, and campaigns: it finds out before it leads.
    const campaigning = new AbortController();
    const campaign = away.registry.leadership.campaign(
      { machineId: "m", ttlMs: 60_000 },
      AbortSignal.any([signal, campaigning.signal]),
    );
    const ended = campaign.then(
      () => "leads",
      () => "never led",
    );
    await expect.poll(() => away.registry.guard.frozen?.code).toBe("cluster_format");
    campaigning.abort();
    expect(await ended).toBe("never led");
    await expect(away.registry.intents.put({ name: "a.service", options: hello })).rejects.toMatchObject({
      code: "cluster_format",
      message: "the cluster has data format 2, this fleetd does not read it",
    });
    // Started anew it is told at once.
    await expect(machine(at, away.memory, old).guard.open(signal)).rejects.toMatchObject({
      code: "cluster_format",
    });
    expect(await bench.keysBelow(`${at}units/`)).toEqual([]);
  });
}
