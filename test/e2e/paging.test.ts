import type { ClusterMachine } from "@fleet/lab";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { useLabCluster } from "./lab-cluster.ts";

/** Rows of a page by default. */
const PAGE = 100;
const STABLE = 1_000;
const CHURNING = 100;
const CHURNERS = 4;
const LISTINGS = 12;
/** fleet's own tokens are two uint16: limit and page. What ours have on top starts here. */
const BARE_TOKEN_BYTES = 4;

const lab = useLabCluster({ machines: [{}, {}], restore: false });

const pageShape = z.object({
  units: z.array(z.object({ name: z.string() })),
  nextPageToken: z.string().optional(),
});
const options = [{ section: "Service", name: "ExecStart", value: "/bin/sleep infinity" }];

function numbered(count: number, suffix: string): readonly string[] {
  return Array.from({ length: count }, (_, index) => `u${String(index).padStart(4, "0")}${suffix}.service`);
}

/** Between any two of every ten stable ones there is one that comes and goes; the last one listed is stable. */
const stable = numbered(STABLE, "-stable");
const churning = numbered(CHURNING * 10, "-churning").filter((_, index) => index % 10 === 0);

async function create(via: ClusterMachine, name: string): Promise<void> {
  const { status } = await via.request({ method: "PUT", path: `/fleet/v1/units/${name}`, body: { options } });
  if (status !== 201) throw new Error(`creating ${name}: status ${status}`);
}

async function destroy(via: ClusterMachine, name: string): Promise<void> {
  const { status } = await via.request({ method: "DELETE", path: `/fleet/v1/units/${name}` });
  if (status !== 204) throw new Error(`destroying ${name}: status ${status}`);
}

/** The names on each page, one page after the other; `follow` makes of a page's token what is asked for next. */
async function pages(
  via: ClusterMachine,
  follow: (token: string) => string,
): Promise<readonly (readonly string[])[]> {
  const all: string[][] = [];
  let query = "";
  for (;;) {
    const { status, body } = await via.request({ path: `/fleet/v1/units${query}` });
    expect(status).toBe(200);
    const { units, nextPageToken } = pageShape.parse(body);
    all.push(units.map(({ name }) => name));
    if (nextPageToken === undefined) return all;
    query = `?nextPageToken=${encodeURIComponent(follow(nextPageToken))}`;
  }
}

const asGiven = (token: string): string => token;
const bare = (token: string): string =>
  Buffer.from(token, "base64url").subarray(0, BARE_TOKEN_BYTES).toString("base64url");

/** Creates and destroys the churning units, each in turn, until told to stop. Resolves with how often. */
async function churn(stop: AbortSignal): Promise<number> {
  const machines = lab.machines;
  const counts = Array.from({ length: CHURNERS }, async (_, worker) => {
    const mine = churning.filter((_name, index) => index % CHURNERS === worker);
    const via = machines[worker % machines.length];
    if (via === undefined) throw new Error("no machine");
    let changes = 0;
    for (let turn = 0; !stop.aborted; turn += 1) {
      for (const name of mine) {
        if (stop.aborted) break;
        await (turn % 2 === 0 ? create(via, name) : destroy(via, name));
        changes += 1;
      }
    }
    return changes;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

beforeAll(async () => {
  const left = [...stable];
  const via = lab.machine("m1");
  const worker = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await create(via, name);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
});

describe("a thousand units", () => {
  it.each([
    ["our own tokens", asGiven],
    ["tokens of four bytes", bare],
  ])("are listed through full pages and no empty one at the end, with %s", async (_which, follow) => {
    for (const machine of lab.machines) {
      const listed = await pages(machine, follow);
      expect(listed.map((page) => page.length)).toEqual(Array.from({ length: STABLE / PAGE }, () => PAGE));
      expect(listed.flat()).toEqual(stable);
    }
  });

  it("are each listed once while a hundred others are created and destroyed all the time", async () => {
    const stop = new AbortController();
    const churned = churn(stop.signal);
    const seen = new Set<string>();
    const sizes = new Set<number>();
    try {
      for (let listing = 0; listing < LISTINGS; listing += 1) {
        const machine = lab.machines[listing % lab.machines.length];
        if (machine === undefined) throw new Error("no machine");
        const listed = await pages(machine, asGiven);
        const names = listed.flat();
        expect(names.filter((name) => name.endsWith("-stable.service"))).toEqual(stable);
        expect(names).toEqual([...new Set(names)].sort());
        for (const page of listed.slice(0, -1)) expect(page).toHaveLength(PAGE);
        expect(listed.at(-1)).not.toEqual([]);
        for (const name of names) if (name.endsWith("-churning.service")) seen.add(name);
        sizes.add(names.length);

        // Counted off from the start, as fleet does, rows may be missed or doubled; but it comes to its end.
        const counted = await pages(machine, bare);
        expect(counted.length).toBeGreaterThanOrEqual(STABLE / PAGE);
        expect(counted.length).toBeLessThanOrEqual((STABLE + CHURNING) / PAGE + 1);
      }
      const listing = await lab.fleetctlOk("list-unit-files", "--no-legend", "--fields=unit");
      const ofFleetctl = listing.stdout.split("\n").filter((line) => line.endsWith("-stable.service"));
      expect(ofFleetctl).toEqual(stable);
    } finally {
      stop.abort();
    }
    const changes = await churned;
    console.info(
      `${LISTINGS} listings of ${STABLE} units: ${changes} units created or destroyed meanwhile, ` +
        `${seen.size} of ${CHURNING} seen, ${sizes.size} lengths`,
    );
    // Else nothing was shown.
    expect(changes).toBeGreaterThan(CHURNING);
    expect(seen.size).toBeGreaterThan(CHURNING / 2);
    expect(sizes.size).toBeGreaterThan(2);
  });
});
