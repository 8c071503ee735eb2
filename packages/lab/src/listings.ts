import { FleetError } from "@fleet/runtime";
import { z } from "zod";
import type { ClusterMachine } from "./cluster-machine.ts";

// Read leniently and independently of the server's own schemas: the lab looks at fleet as any client does.

const unit = z.object({
  name: z.string(),
  desiredState: z.string().optional(),
  currentState: z.string().optional(),
  machineID: z.string().optional(),
});
const state = z.object({
  name: z.string(),
  hash: z.string(),
  machineID: z.string(),
  systemdLoadState: z.string(),
  systemdActiveState: z.string(),
  systemdSubState: z.string(),
});
const machine = z.object({
  id: z.string(),
  primaryIP: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});

export type ListedUnit = z.output<typeof unit>;
export type ListedState = z.output<typeof state>;
export type ListedMachine = z.output<typeof machine>;

const nextPage = { nextPageToken: z.string().optional() };
const unitsPage = z.object({ units: z.array(unit).default([]), ...nextPage });
const statesPage = z.object({ states: z.array(state).default([]), ...nextPage });
const machinesPage = z.object({ machines: z.array(machine).default([]), ...nextPage });

/** All units. Fails with `lab_api` when there is no answer or another one than 200. */
export function listUnits(via: ClusterMachine): Promise<readonly ListedUnit[]> {
  return readPages(via, "units", (body) => {
    const page = unitsPage.parse(body);
    return { rows: page.units, next: page.nextPageToken };
  });
}

/** All unit states; see listUnits. */
export function listStates(via: ClusterMachine): Promise<readonly ListedState[]> {
  return readPages(via, "state", (body) => {
    const page = statesPage.parse(body);
    return { rows: page.states, next: page.nextPageToken };
  });
}

/** All machines that are present; see listUnits. */
export function listMachines(via: ClusterMachine): Promise<readonly ListedMachine[]> {
  return readPages(via, "machines", (body) => {
    const page = machinesPage.parse(body);
    return { rows: page.machines, next: page.nextPageToken };
  });
}

async function readPages<Row>(
  via: ClusterMachine,
  kind: string,
  read: (body: unknown) => { readonly rows: readonly Row[]; readonly next: string | undefined },
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let query = "";
  while (true) {
    const response = await via.request({ path: `/fleet/v1/${kind}${query}` });
    if (response.status !== 200) {
      throw new FleetError("lab_api", `${kind} at ${via.name}: ${response.status} ${response.text}`);
    }
    const page = read(response.body);
    rows.push(...page.rows);
    if (page.next === undefined) return rows;
    query = `?nextPageToken=${encodeURIComponent(page.next)}`;
  }
}
