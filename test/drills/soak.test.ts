import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import type { ClusterMachine } from "@fleet/lab";
import { afterAll, expect, it } from "vitest";
import { serviceText, useLabCluster } from "../e2e/lab-cluster.ts";

const CHANGES = 10_000;
const CUTS = 200;
/** Each has a client that changes it over and over, faster than its machine follows at times. */
const UNITS = 20;
/** On a busy host; an idle one takes a fraction of it. */
const TIMEOUT_MS = 400_000;

const lab = useLabCluster({ machines: [{}], restore: false });

const connections = new Agent({ keepAlive: true, maxSockets: UNITS });
afterAll(() => connections.destroy());

/** What one fleetd holds at one moment. */
interface Holdings {
  readonly handles: number;
  readonly residentMiB: number;
}

function holdingsOf(pid: number): Holdings {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return { handles: readdirSync(`/proc/${pid}/fd`).length, residentMiB: Number(kib) / 1024 };
}

function put(machine: ClusterMachine, unit: string, body: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: machine.socketPath,
        agent: connections,
        path: `/fleet/v1/units/${unit}`,
        method: "PUT",
        headers: { "Content-Type": "application/json" },
      },
      (answer) => {
        answer.resume();
        answer.once("end", () => resolve(answer.statusCode ?? 0));
        answer.once("error", reject);
      },
    );
    outgoing.once("error", reject);
    outgoing.end(JSON.stringify(body));
  });
}

/** A request that meets the cut is asked again: what counts is that all changes have been made. */
async function putUntilTaken(machine: ClusterMachine, unit: string, body: unknown): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const status = await put(machine, unit, body);
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
    const options = [
      { section: "Service", name: "Type", value: "oneshot" },
      { section: "Service", name: "RemainAfterExit", value: "yes" },
      { section: "Service", name: "ExecStart", value: "/bin/true" },
    ];
    const seen: Holdings[] = [];
    let taken = 0;
    const change = async (name: string): Promise<void> => {
      for (let round = 0; round < CHANGES / UNITS; round += 1) {
        const desiredState = round % 2 === 0 ? "loaded" : "inactive";
        await putUntilTaken(machine, name, { name, desiredState, options });
        taken += 1;
        // What has been taken since shows that the connection lost before was made anew.
        if (taken % (CHANGES / CUTS) !== 0) continue;
        seen.push(holdingsOf(pid));
        machine.cutOffFromEtcd("refuse");
        machine.heal();
      }
    };
    await Promise.all(Array.from({ length: UNITS }, (_, index) => change(`soak-${index}.service`)));
    expect([taken, seen.length]).toEqual([CHANGES, CUTS]);

    // The first quarter is warming up: code gets compiled, buffers grow.
    const before = seen.slice(CUTS / 4, CUTS / 2);
    const after = seen.slice(CUTS / 2);
    const most = (what: keyof Holdings, holdings: readonly Holdings[]): number =>
      Math.max(...holdings.map((held) => held[what]));
    expect(most("handles", after) - most("handles", before)).toBeLessThan(CUTS / 8);
    expect(most("residentMiB", after) - most("residentMiB", before)).toBeLessThan(60);

    // It was no standstill: all of it arrived, and fleetd is as able as ever.
    await lab.start({ "after.service": serviceText() });
    await lab.untilActive(["after.service m1"], 30_000);
  },
  TIMEOUT_MS,
);
