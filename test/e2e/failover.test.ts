import { setTimeout as sleep } from "node:timers/promises";
import type { ApiResponse, ClusterMachine } from "@fleet/lab";
import { describe, expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;
const LEADER_TTL_MS = 5_000;
/** A lost machine's units run elsewhere within agent_ttl and this. */
const AFTER_TTL_MS = 1_500;
/** "Within seconds", of what a machine does once it is back. */
const SECONDS_MS = 5_000;

const lab = useLabCluster({ agentTtlMs: AGENT_TTL_MS });

const GLOBAL = "everywhere.service";
const NAMES = Array.from({ length: 9 }, (_, index) => `u${index}.service`);

/** Nine units, three on each machine, and a global one. */
async function startUnits(): Promise<void> {
  const files = Object.fromEntries(NAMES.map((name) => [name, serviceText()]));
  await lab.fleetctlOk("start", ...lab.unitFiles(files));
  await lab.start({ [GLOBAL]: serviceText({ xFleet: ["Global=true"] }) });
  const placements = await lab.placements();
  await lab.untilActive([
    ...NAMES.map((name) => `${name} ${placements[name]}`),
    ...lab.machines.map(({ name }) => `${GLOBAL} ${name}`),
  ]);
}

async function unitsOn(machine: ClusterMachine): Promise<readonly string[]> {
  const placements = await lab.placements();
  const units = NAMES.filter((name) => placements[name] === machine.name);
  expect(units.length).toBeGreaterThan(0);
  return units;
}

/** A machine that does not lead, or the one that does. */
async function pick(role: "follower" | "leader"): Promise<ClusterMachine> {
  const leader = await lab.leader();
  return role === "leader"
    ? leader
    : (lab.machines.find((machine) => machine !== leader) ?? expect.fail("no follower"));
}

/** Waits until every unit runs once on a machine other than this one, and nothing is reported of it any more. */
async function untilElsewhere(lost: ClusterMachine, units = NAMES): Promise<void> {
  const others = lab.machines.filter((machine) => machine !== lost);
  const [via] = others;
  const wanted = [...units, ...others.map(() => GLOBAL)].sort();
  await lab.cluster.waitFor({
    what: `all units of ${lost.name} to run elsewhere, and its rows to be gone`,
    probe: async () => ({
      machines: (await lab.cluster.listedMachines(via)).map(({ id }) => id),
      active: (await lab.cluster.states(via))
        .filter(({ machineID, systemdActiveState: active }) => machineID === lost.id || active === "active")
        .map(({ name, machineID }) => (machineID === lost.id ? `${name} still reported` : name))
        .sort(),
    }),
    until: ({ machines, active }) => machines.length === 2 && active.join() === wanted.join(),
    timeoutMs: 20_000,
  });
}

/** Main processes of all units, by what each machine's systemd says: `unit machine pid`. */
async function processes(machines: readonly ClusterMachine[] = lab.machines): Promise<readonly string[]> {
  const found = await Promise.all(
    machines.flatMap(({ name: machine }) =>
      [...NAMES, GLOBAL].map(async (unit) => `${unit} ${machine} ${await lab.mainPid(unit, machine)}`),
    ),
  );
  return found.filter((line) => !line.endsWith(" 0")).sort();
}

/** Waits until the machine's systemd runs none of these units. */
async function untilEnded(units: readonly string[], machine: ClusterMachine): Promise<void> {
  await lab.cluster.waitFor({
    what: `the leftovers on ${machine.name} to end`,
    probe: () => Promise.all(units.map((unit) => lab.activeState(unit, machine.name))),
    until: (states) => states.every((state) => state === "inactive"),
    timeoutMs: 20_000,
  });
}

describe("a fleetd is killed", () => {
  it("its units run elsewhere, its rows vanish, and on its return its leftovers end", async () => {
    await startUnits();
    const lost = await pick("follower");
    const units = await unitsOn(lost);

    const killedAt = performance.now();
    await lost.killFleetd();
    await untilElsewhere(lost);
    expect(performance.now() - killedAt).toBeLessThan(AGENT_TTL_MS + AFTER_TTL_MS);
    expect((await lab.fleetctlOk("list-machines", "--full")).stdout).not.toContain(lost.id);
    expect((await lab.fleetctlOk("list-units", "--full")).stdout).not.toContain(lost.id);

    // fleetd is gone, its machine is not: what it started runs on.
    const globalPid = await lab.mainPid(GLOBAL, lost.name);
    expect(globalPid).not.toBe("0");
    for (const unit of units) expect(await lab.activeState(unit, lost.name)).toBe("active");

    const placements = await lab.placements();
    const startedAt = performance.now();
    await lost.startFleetd();
    await untilEnded(units, lost);
    expect(performance.now() - startedAt).toBeLessThan(SECONDS_MS);
    await lab.untilActive([
      ...NAMES.map((name) => `${name} ${placements[name]}`),
      ...lab.machines.map(({ name }) => `${GLOBAL} ${name}`),
    ]);
    expect(await lab.mainPid(GLOBAL, lost.name)).toBe(globalPid);
    expect(await lab.placements()).toEqual(placements);
  });
});

describe("a fleetd is told to stop", () => {
  it.each(["follower", "leader"] as const)("each unit of a %s moves as its own stop ends", async (role) => {
    const leaving = await pick(role);
    const files = Object.fromEntries(
      NAMES.map((name, index) => [name, lab.recordingService({ stopSeconds: index % 2 === 0 ? 3 : 0 })]),
    );
    await lab.start(files);
    const units = await unitsOn(leaving);
    const others = NAMES.filter((name) => !units.includes(name));

    expect(await leaving.stopFleetd()).toBe(0);
    const via = lab.machines.find((machine) => machine !== leaving);
    expect((await lab.cluster.listedMachines(via)).map(({ id }) => id)).not.toContain(leaving.id);
    for (const unit of units) await lab.untilEvents(unit, 4);
    for (const unit of units) {
      const history = lab.history(unit);
      expect(history.slice(0, 3)).toEqual(
        ["start", "stopping", "stopped with file"].map((what) => `${leaving.name} ${what}`),
      );
      expect(history).toHaveLength(4);
      const [, , stopped, started] = lab.events().filter((event) => event.unit === unit);
      const gapMs = (started?.atMs ?? Number.NaN) - (stopped?.atMs ?? Number.NaN);
      expect(gapMs, unit).toBeGreaterThanOrEqual(0);
      expect(gapMs, unit).toBeLessThan(1_000);
      expect(lab.hasUnitFile(unit, leaving.name)).toBe(false);
    }
    for (const unit of others) expect(lab.history(unit)).toHaveLength(1);
  });
});

describe("the leader is killed", () => {
  it("scheduling goes on within its TTL and a second", async () => {
    await startUnits();
    const leader = await lab.leader();
    const via = await pick("follower");
    const [path = ""] = lab.unitFiles({ "new.service": serviceText() });

    const killedAt = performance.now();
    await leader.killFleetd();
    const started = await lab.cluster.fleetctl(["start", path], { via });
    expect(performance.now() - killedAt).toBeLessThan(LEADER_TTL_MS + 1_000);
    expect(started).toMatchObject({ exitCode: 0 });
    expect(await lab.leader()).not.toBe(leader);
    await untilElsewhere(leader, [...NAMES, "new.service"]);
  });
});

describe("a machine loses its power", () => {
  it("its units run elsewhere, and it gets none of them back", async () => {
    await startUnits();
    const lost = await pick("leader");
    await unitsOn(lost);

    const cutAt = performance.now();
    await lost.kill();
    await untilElsewhere(lost);
    expect(performance.now() - cutAt).toBeLessThan(AGENT_TTL_MS + AFTER_TTL_MS);

    const placements = await lab.placements();
    await lost.reboot();
    await lab.untilActive([
      ...NAMES.map((name) => `${name} ${placements[name]}`),
      ...lab.machines.map(({ name }) => `${GLOBAL} ${name}`),
    ]);
    // It is merely the emptiest for the next ones.
    await lab.start({ "next.service": serviceText() });
    expect(await lab.placements()).toEqual({ ...placements, "next.service": lost.name });
  });
});

describe("a machine is cut off from etcd", () => {
  it.each([
    ["follower", "drop"],
    ["leader", "refuse"],
  ] as const)("a %s (%s) keeps its units, and ends the duplicates when healed", async (role, mode) => {
    await startUnits();
    const cut = await pick(role);
    const units = await unitsOn(cut);
    const before = await processes([cut]);

    const cutAt = performance.now();
    cut.cutOffFromEtcd(mode);
    await untilElsewhere(cut);
    expect(performance.now() - cutAt).toBeLessThan(AGENT_TTL_MS + AFTER_TTL_MS);
    expect(await cut.request({ path: "/fleet/v1/units" })).toMatchObject({
      status: 503,
      text: expect.stringContaining("fleet server unable to communicate with etcd"),
    });
    await sleep(2_000);
    expect(await processes([cut])).toEqual(before);

    const elsewhere = await processes(lab.machines.filter((machine) => machine !== cut));
    const healedAt = performance.now();
    cut.heal();
    await untilEnded(units, cut);
    expect(performance.now() - healedAt).toBeLessThan(SECONDS_MS);
    await lab.cluster.waitFor({
      what: `${cut.name} to be back`,
      probe: () => lab.active(),
      until: (active) => active.includes(`${GLOBAL} ${cut.name}`),
      timeoutMs: SECONDS_MS,
    });
    const globalOfCut = before.filter((line) => line.startsWith(GLOBAL));
    expect(globalOfCut).toHaveLength(1);
    expect(await processes()).toEqual([...elsewhere, ...globalOfCut].sort());
  });
});

describe("etcd is away", () => {
  it.each([
    ["stopped", 15_000, () => lab.cluster.etcd.stop(), () => lab.cluster.etcd.restart()],
    ["frozen", 8_000, async () => lab.cluster.etcd.pause(), async () => lab.cluster.etcd.resume()],
  ] as const)(
    "%s for %d ms: nothing stops, the API says 503, and all goes on after",
    async (_, awayMs, leave, back) => {
      await startUnits();
      const before = await processes();
      const placements = await lab.placements();

      await leave();
      try {
        await expectAway(awayMs);
        expect(await processes()).toEqual(before);
      } finally {
        await back();
      }
      const backAt = performance.now();
      await lab.start({ "new.service": serviceText() });
      await lab.untilActive([
        ...NAMES.map((name) => `${name} ${placements[name]}`),
        ...lab.machines.map(({ name }) => `${GLOBAL} ${name}`),
        `new.service ${(await lab.placements())["new.service"]}`,
      ]);
      expect(performance.now() - backAt).toBeLessThan(2 * SECONDS_MS);
      // Past the end of every lease from before: nobody was given up for lost.
      await sleep(AGENT_TTL_MS);
      expect(await processes()).toEqual(before);
    },
  );
});

/** Every API says that etcd is away, once its last proof of the contrary is too old, and goes on saying so. */
async function expectAway(awayMs: number): Promise<void> {
  const leftAt = performance.now();
  const answers = (): Promise<readonly ApiResponse[]> =>
    Promise.all(lab.machines.map((machine) => machine.request({ path: "/fleet/v1/units" })));
  await lab.cluster.waitFor({
    what: "every API to say that etcd is away",
    probe: answers,
    until: (seen) => seen.every(({ status }) => status === 503),
    timeoutMs: 3_000,
  });
  while (performance.now() - leftAt < awayMs) {
    for (const answer of await answers()) {
      expect(answer).toMatchObject({
        status: 503,
        body: { error: { code: 503, message: "fleet server unable to communicate with etcd" } },
      });
    }
    await sleep(500);
  }
}
