import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;

// The registry is wiped under running units: the tests share one cluster, in their order.
const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS, machines: [{}, {}, {}], restore: false });

const plain = Array.from({ length: 22 }, (_, index) => `u${String(index).padStart(2, "0")}.service`);
const sidekicks = [0, 1, 2].flatMap((index) => [`main${index}.service`, `side${index}.service`]);
const oneshot = "once.service";
const stopped = "stopped.service";
const global = "everywhere.service";
const inactive = "inactive.service";
const names = [...plain, ...sidekicks, oneshot, stopped, global];

/**
 * Every unit's processes and number of starts by what the systemds say. One question to each: this process is the cable between
 * the machines and etcd, and stands still while it begins another one.
 */
async function processes(): Promise<readonly string[]> {
  const found = await Promise.all(
    lab.machines.map(async ({ name: machine }) => {
      const shown = await lab
        .machine(machine)
        .systemctl("show", "-p", "Id", "-p", "MainPID", "-p", "InvocationID", ...names);
      return shown.stdout
        .split("\n\n")
        .map((unit) => `${machine} ${unit.trim().split("\n").sort().join(" ")}`);
    }),
  );
  return found
    .flat()
    .filter((line) => /[0-9a-f]{32}/.test(line))
    .sort();
}

async function listing(): Promise<string> {
  const fields = "unit,machine,active,sub";
  return (await lab.fleetctlOk("list-units", "--no-legend", "--full", `--fields=${fields}`)).stdout;
}

const unitTable = async (): Promise<string> =>
  (await lab.fleetctlOk("list-unit-files", "--no-legend", "--full", "--fields=unit,hash,dstate,state,target"))
    .stdout;

async function untilFrozen(): Promise<void> {
  await lab.cluster.waitFor({
    what: "every API to say that etcd no longer knows the cluster",
    probe: () => Promise.all(lab.machines.map((each) => each.request({ path: "/fleet/v1/units" }))),
    until: (answers) => answers.every(({ status }) => status === 503),
    timeoutMs: 15_000,
  });
}

it("a wiped registry is seeded anew from what runs, and nothing is stopped, started or lost", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fleet-backup-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const files: Record<string, string> = {};
  for (const name of plain) files[name] = serviceText();
  for (const name of sidekicks) {
    files[name] = serviceText(
      name.startsWith("side") ? { xFleet: [`MachineOf=${name.replace("side", "main")}`] } : {},
    );
  }
  files[oneshot] = serviceText({ service: ["Type=oneshot", "ExecStart=/bin/true"] });
  files[stopped] = serviceText();
  files[global] = serviceText({ xFleet: ["Global=true"] });
  await lab.fleetctlOk("start", "--no-block", ...lab.unitFiles(files));
  await lab.fleetctlOk("submit", ...lab.unitFiles({ [inactive]: serviceText() }));
  await lab.cluster.waitFor({
    what: "all units to run",
    probe: () => lab.active(),
    until: (active) => active.length === plain.length + sidekicks.length + 1 + 3,
    timeoutMs: 60_000,
  });
  const where = (await lab.placements())[stopped] ?? "";
  await lab.machine(where).systemctl("stop", stopped);
  await lab.cluster.waitFor({
    what: "the unit stopped by hand to be told of, and the oneshot to have ended",
    probe: listing,
    until: (text) => /stopped.service.*inactive/.test(text) && /once.service.*inactive/.test(text),
    timeoutMs: 15_000,
  });
  const backup = join(directory, "fleet.json");
  await lab.fleetctlOk("backup", backup);
  expect(statSync(backup).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(backup, "utf8")).units).toHaveLength(names.length + 1);
  const [before, listed, units] = [await processes(), await listing(), await unitTable()];
  expect(before.length).toBeGreaterThanOrEqual(30);

  await lab.cluster.wipeRegistry();
  await untilFrozen();
  const refused = await lab.fleetctl("list-units");
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("fleetctl reseed");
  const shown = await lab.fleetctl("reseed");
  expect(shown.exitCode).toBe(1);
  expect(shown.stderr).toContain("Nothing has been changed");
  expect(await lab.registryRows()).toEqual([]);

  const begun = await lab.fleetctlOk("reseed", "--yes");
  expect(begun.stderr).toContain("epoch 2");
  await lab.cluster.waitFor({
    what: "all machines to have told what they run",
    probe: async () => (await lab.fleetctlOk("reseed")).stdout,
    until: (text) => text.split("\n").filter((line) => /\t\d+ units$/.test(line)).length === 3,
    timeoutMs: 20_000,
  });
  const early = await lab.fleetctl("start", "--no-block", ...lab.unitFiles({ "new.service": serviceText() }));
  expect(early.stderr).toContain("seeded anew");
  expect((await lab.registryRows()).some(({ key }) => key === "leader")).toBe(false);
  expect(await processes()).toEqual(before);

  await lab.fleetctlOk("reseed", "--finish");
  await lab.cluster.waitFor({
    what: "the units to be listed as they were",
    probe: listing,
    until: (text) => text === listed,
    timeoutMs: 20_000,
  });
  // What nobody had loaded is lost, and comes back from the backup.
  expect((await unitTable()).split("\n").some((line) => line.startsWith(inactive))).toBe(false);
  const restored = await lab.fleetctlOk("restore", backup, "--yes");
  expect(restored.stderr).toContain("1 unit written, 0 target states changed");
  expect(await unitTable()).toBe(units);

  // Longer than a machine's TTL: everything that could be decided has been.
  await sleep(AGENT_TTL_MS + 2_000);
  const settled = await lab.registryRows();
  await sleep(5_000);
  expect(await lab.registryRows()).toEqual(settled);
  expect(await processes()).toEqual(before);
  expect(await listing()).toBe(listed);
}, 240_000);

it("a machine that was away during the seeding tells of its units when it joins", async () => {
  const late = lab.machine("m3");
  const before = await processes();
  const mine = Object.entries(await lab.placements()).filter(([, machine]) => machine === "m3");
  expect(mine.length).toBeGreaterThan(0);
  const listed = await listing();
  // As if its fleetd had crashed: its units run on.
  await late.killFleetd();
  await lab.cluster.wipeRegistry();
  await lab.cluster.waitFor({
    what: "the others to freeze",
    probe: () => lab.machine("m1").request({ path: "/fleet/v1/units" }),
    until: ({ status }) => status === 503,
    timeoutMs: 15_000,
  });
  const reseeded = await lab.fleetctl("reseed", "--yes", "--wait-for=2");
  expect(reseeded.stderr).toContain("Finished");
  expect(await processes()).toEqual(before);
  await late.startFleetd();
  await lab.cluster.waitFor({
    what: "the late machine's units to be listed where they run",
    probe: listing,
    until: (text) => text === listed,
    timeoutMs: 30_000,
  });
  await sleep(AGENT_TTL_MS);
  expect(await processes()).toEqual(before);
}, 120_000);

it("what etcd holds instead is named, and thrown away only with --discard", async () => {
  const before = await processes();
  const listed = await listing();
  await lab.cluster.wipeRegistry();
  const record = JSON.stringify({ v: 1, id: "0123456789abcdef", format: 1 });
  await fetch(`${lab.cluster.etcd.endpoints[0]}/v3/kv/put`, {
    method: "POST",
    body: JSON.stringify({ key: btoa("/_coreos.com/fleet/cluster"), value: btoa(record) }),
  });
  await untilFrozen();
  const kept = await lab.fleetctl("reseed", "--yes");
  expect(kept.exitCode).toBe(1);
  expect(kept.stderr).toContain("it holds cluster 0123456789abcdef, 0 units, 1 keys in all");
  expect((await lab.registryRows()).map(({ value }) => value)).toEqual([record]);
  const reseeded = await lab.fleetctlOk("reseed", "--yes", "--discard", "--wait-for=3");
  expect(reseeded.stderr).toContain("Finished");
  await lab.cluster.waitFor({
    what: "the units to be listed as they were",
    probe: listing,
    until: (text) => text === listed,
    timeoutMs: 20_000,
  });
  await sleep(AGENT_TTL_MS);
  expect(await processes()).toEqual(before);
}, 120_000);
