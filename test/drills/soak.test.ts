import { readdirSync, readFileSync } from "node:fs";
import type { ClusterMachine } from "@fleet/lab";
import { expect, it } from "vitest";
import { useLabCluster } from "../e2e/lab-cluster.ts";
import { HeapInspector, type Holdings, inspectable } from "./heap-inspector.ts";
import { UnitPuts } from "./unit-puts.ts";

const CHANGES = 10_000;
const CUTS = 200;
/** Each has a client that changes it over and over, faster than its machine follows at times. */
const UNITS = 20;
/** How often what fleetd holds is looked at, with nothing under way. */
const LOOKS = 10;
/** On a busy host; an idle one takes a fraction of it. */
const TIMEOUT_MS = 1_200_000;

const lab = useLabCluster({ machines: [{ env: inspectable }], restore: false });

const puts = new UnitPuts(UNITS);

interface Look extends Holdings {
  readonly handles: number;
  readonly residentMiB: number;
}

function processOf(pid: number): Pick<Look, "handles" | "residentMiB"> {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return { handles: readdirSync(`/proc/${pid}/fd`).length, residentMiB: Number(kib) / 1024 };
}

/** A request that meets the cut is asked again: what counts is that all changes have been made. */
async function putUntilTaken(machine: ClusterMachine, unit: string, body: object): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const status = await puts.put(machine, unit, body);
    if (status === 201 || status === 204) return;
    if (status !== 503 || performance.now() > deadline) throw new Error(`${unit}: status ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it(
  "memory and open handles are level over 10 000 unit changes and 200 lost connections to etcd",
  async () => {
    const machine = lab.machine("m1");
    const pid = machine.fleetdPid ?? 0;
    const inspector = await HeapInspector.connect(machine.fleetdLog);
    const options = [
      { section: "Service", name: "Type", value: "oneshot" },
      { section: "Service", name: "RemainAfterExit", value: "yes" },
      { section: "Service", name: "ExecStart", value: "/bin/true" },
    ];
    let [taken, cuts] = [0, 0];
    const change = async (name: string): Promise<void> => {
      for (let round = 0; round < CHANGES / UNITS / LOOKS; round += 1) {
        const desiredState = round % 2 === 0 ? "loaded" : "inactive";
        await putUntilTaken(machine, name, { desiredState, options });
        taken += 1;
        // What has been taken since shows that the connection lost before was made anew.
        if (taken % (CHANGES / CUTS) !== 0) continue;
        cuts += 1;
        machine.cutOffFromEtcd("refuse");
        machine.heal();
      }
    };
    const seen: Look[] = [];
    const unit = "after.service";
    for (let look = 0; look < LOOKS; look += 1) {
      await Promise.all(Array.from({ length: UNITS }, (_, index) => change(`soak-${index}.service`)));
      // All of it has arrived, so that looks compare like with like; and fleetd is as able as ever.
      // The same one each time: one more unit would be one more thing to hold.
      await putUntilTaken(machine, unit, { desiredState: "launched", options });
      await lab.untilActive([`${unit} m1`], 60_000);
      await putUntilTaken(machine, unit, { desiredState: "inactive" });
      await lab.untilActive([], 60_000);
      seen.push({ ...(await inspector.holdings()), ...processOf(pid) });
    }
    inspector.close();
    console.info(seen.map((held) => JSON.stringify(held)).join("\n"));
    expect([taken, cuts]).toEqual([CHANGES, CUTS]);

    // The first looks are warming up: code gets compiled, buffers grow.
    const [before, after] = [seen.slice(2, LOOKS / 2), seen.slice(LOOKS / 2 + 2)];
    const least = (what: keyof Look, looks: readonly Look[]): number =>
      Math.min(...looks.map((held) => held[what]));
    const grown = (what: keyof Look): number => least(what, after) - least(what, before);
    expect(grown("entries")).toBeLessThan(CHANGES / 40);
    expect(grown("listeners")).toBeLessThan(CUTS / 5);
    expect(grown("resources")).toBeLessThan(CUTS / 10);
    expect(grown("handles")).toBeLessThan(CUTS / 10);
    expect(grown("heapMiB")).toBeLessThan(3);
    expect(grown("residentMiB")).toBeLessThan(60);
  },
  TIMEOUT_MS,
);
