import { MemoryEtcd, MemoryStore, Registry, type RememberedCluster } from "@fleet/registry";
import { silentLogger } from "@fleet/runtime";
import { expect, test } from "vitest";
import { SimulatedClock } from "../../simulation/simulated-clock.ts";

const clock = new SimulatedClock();
const noSpace = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });

/** A registry on a machine whose disk is full, or is not. */
function registryOn(etcd: MemoryEtcd, disk: { kept?: RememberedCluster; full: boolean }): Registry {
  return new Registry({
    store: new MemoryStore(etcd),
    prefix: "/fleet/",
    memory: {
      load: async () => disk.kept,
      save: async (cluster) => {
        if (disk.full) throw noSpace;
        disk.kept = cluster;
      },
    },
    clock,
    random: () => 0.5,
    logger: silentLogger,
  });
}

const { signal } = new AbortController();

test("a machine that remembers its cluster joins it with a full disk", async () => {
  const etcd = new MemoryEtcd(clock);
  const disk: { kept?: RememberedCluster; full: boolean } = { full: false };
  await registryOn(etcd, disk).guard.open(signal);
  disk.full = true;
  const { guard } = registryOn(etcd, disk);
  await guard.open(signal);
  expect(guard).toMatchObject({ frozen: undefined, clusterId: disk.kept?.id });
});

test("one that could not remember it stays out until there is room, however often it tries", async () => {
  const etcd = new MemoryEtcd(clock);
  const disk = { full: true };
  const { guard } = registryOn(etcd, disk);
  for (let attempt = 1; attempt <= 2; attempt += 1) await expect(guard.open(signal)).rejects.toBe(noSpace);
  expect(guard.frozen?.code).toBe("cluster_unverified");
  disk.full = false;
  await guard.open(signal);
  expect(guard.frozen).toBeUndefined();
});
