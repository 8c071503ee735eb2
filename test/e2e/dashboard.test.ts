import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ClusterMachine } from "@fleet/lab";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browserProblem, type OpenBrowser, openBrowser } from "../browser/chromium.ts";
import { useLabCluster } from "./lab-cluster.ts";

const AGENT_TTL_MS = 5_000;
const problem = browserProblem();

/** Where pictures of what the pages showed are left; none are taken without it. */
const pictures = process.env.FLEET_SCREENSHOTS;

const lab = useLabCluster({
  agentTtlMs: AGENT_TTL_MS,
  restore: false,
  machines: [
    { machineId: "2f9c4ab1d07e4c53a8617e0b94c3f5d2", metadata: { region: "north", disk: "ssd" }, tcp: true },
    { machineId: "7d03e6c85b1a49f2bc04d1f7a93e6082", metadata: { region: "south", disk: "ssd" }, tcp: true },
    { machineId: "b85a1f40c92d4e67831fa5d60e7b29c4", metadata: { region: "south", disk: "hdd" }, tcp: true },
  ],
});

/** A service that takes so long to start, in seconds. */
function service(description: string, startSeconds: number, xFleet: readonly string[] = []): string {
  return [
    "[Unit]",
    `Description=${description}`,
    "",
    "[Service]",
    ...(startSeconds === 0 ? [] : [`ExecStartPre=/bin/sleep ${startSeconds}`]),
    "ExecStart=/bin/sleep infinity",
    ...(xFleet.length === 0 ? [] : ["", "[X-Fleet]", ...xFleet]),
    "",
  ].join("\n");
}

const waiting = "renderer.service";
const files: Readonly<Record<string, string>> = {
  "api@1.service": service("HTTP API, first instance", 0, ["Conflicts=api@*.service"]),
  "api@2.service": service("HTTP API, second instance", 0, ["Conflicts=api@*.service"]),
  "backup.service": service("Nightly backup of the database", 4),
  "cache.service": service("Cache in front of the database", 0),
  "database.service": service("Main database", 4),
  "index.service": service("Search index", 5),
  "mail.service": service("Outgoing mail", 1),
  "queue.service": service("Job queue", 2),
  "scheduler.service": service("Recurring jobs", 0),
  "worker@1.service": service("Worker 1 of the queue", 2, ["MachineOf=queue.service"]),
  "worker@2.service": service("Worker 2 of the queue", 0),
  "worker@3.service": service("Worker 3 of the queue", 6),
};

/** Pages of the same dashboard, as different people see it. */
const looks = [
  { name: "desktop-light", width: 1280, height: 720, dark: false },
  { name: "desktop-dark", width: 1280, height: 720, dark: true },
  { name: "phone-light", width: 360, height: 740, dark: false },
  { name: "phone-dark", width: 360, height: 740, dark: true },
] as const;

describe.skipIf(problem !== undefined)(`in a browser${problem === undefined ? "" : ` (${problem})`}`, () => {
  const browsers: OpenBrowser[] = [];
  const pages = new Map<string, Page>();

  beforeAll(async () => {
    const [first] = lab.machines;
    await lab.fleetctlOk("start", "--no-block", ...lab.unitFiles(files));
    await lab.start({ "monitor.service": service("Watches each machine", 0, ["Global=true"]) });
    const late = { [waiting]: service("Wants a machine with a gpu", 0, ["MachineMetadata=gpu=yes"]) };
    await lab.fleetctlOk("start", "--no-block", ...lab.unitFiles(late));
    for (const look of pictures === undefined ? looks.slice(0, 1) : looks) {
      const browser = await openBrowser(look);
      browsers.push(browser);
      const page = await browser.context.newPage();
      await page.goto(`${first?.url}/ui/`);
      pages.set(look.name, page);
    }
  });
  afterAll(async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
  });

  function page(): Page {
    return pages.get("desktop-light") ?? expect.fail("no page is open");
  }

  async function picture(moment: string): Promise<void> {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    await Promise.all(
      [...pages].map(([name, each]) => each.screenshot({ path: join(pictures, `${moment}-${name}.png`) })),
    );
  }

  function row(name: string) {
    return page().locator(".unit-table tr", { has: page().getByText(name, { exact: true }) });
  }

  /** The machine beside the one whose page is looked at that has most units. */
  async function victim(): Promise<ClusterMachine> {
    const units = await lab.cluster.units();
    const load = (machine: ClusterMachine): number =>
      units.filter(({ machineID }) => machineID === machine.id).length;
    const [, second, third] = lab.machines;
    if (second === undefined || third === undefined) return expect.fail("there are not three machines");
    return load(second) > load(third) ? second : third;
  }

  it("a machine loses its power: the page shows it lost and its units arrive elsewhere", async () => {
    await page()
      .getByRole("button", { name: `Active ${Object.keys(files).length + 1}`, exact: true })
      .waitFor();
    await page().getByRole("button", { name: "Waiting 1", exact: true }).waitFor();
    await page().evaluate("window.sameAsBefore = true");
    // What changed while the page was opened is no longer pointed out.
    if (pictures !== undefined) await page().waitForTimeout(6_000);
    await picture("before");

    const lost = await victim();
    const moving = (await lab.cluster.units()).filter(({ machineID }) => machineID === lost.id);
    await lost.kill();
    await page().locator(`.machine-table tr.lost`, { hasText: lost.shortId }).waitFor({ timeout: 20_000 });
    await page().getByText(`of ${moving.length} units elsewhere`).waitFor();
    await page()
      .getByText(/was lost/)
      .first()
      .waitFor();
    await picture("during");

    await page().getByText(`${moving.length} units elsewhere after`).waitFor({ timeout: 30_000 });
    for (const { name } of moving) {
      expect(await row(name).textContent()).toContain("Active");
      const [moved] = (await lab.cluster.units()).filter((unit) => unit.name === name);
      expect(await row(name).textContent()).toContain(moved?.machineID?.slice(0, 8));
    }
    expect(await page().getByText("lost", { exact: false }).count()).toBeGreaterThan(0);
    if (pictures !== undefined) await page().waitForTimeout(2_000);
    await picture("after");
    expect(await page().evaluate("window.sameAsBefore")).toBe(true);
  });

  it("a unit's page says why it waits", async () => {
    await page().goto(`${lab.machines[0]?.url}/ui/#/units/${waiting}`);
    await page()
      .getByText(/gpu=yes/)
      .first()
      .waitFor();
    expect(await page().locator("pre").textContent()).toContain("MachineMetadata=gpu=yes");
    for (const [, each] of pages) await each.goto(`${lab.machines[0]?.url}/ui/#/units/${waiting}`);
    if (pictures !== undefined) await page().waitForTimeout(1_000);
    await picture("unit");
  });
});
