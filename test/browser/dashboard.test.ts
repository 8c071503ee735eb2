import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  delta,
  event,
  machine,
  machineId,
  snapshot,
  state,
  summary,
} from "../unit/dashboard/cluster-messages.ts";
import { browserProblem, type OpenBrowser, openBrowser } from "./chromium.ts";
import { FakeFleetd } from "./fake-fleetd.ts";

const problem = browserProblem();

const begun = snapshot({
  machines: [machine(1, { region: "north" }), machine(2, { region: "south" }), machine(3)],
  summaries: [
    summary("api.service", 2, { description: "Answers requests" }),
    summary("db.service", 1),
    summary("gpu.service", undefined),
    summary("web.service", 2, { description: "Answers the Web" }),
  ],
  states: [state("api.service", 2), state("db.service", 1, "failed", "failed"), state("web.service", 2)],
  events: [
    event("assigned", "web.service was placed on m2", { unit: "web.service", machineID: machineId(2) }),
  ],
});

let browser: OpenBrowser;
let fleetd: FakeFleetd;
let page: Page;
/** What the page complained of. */
let complaints: string[];

async function open(
  hash = "",
  { greeting = begun, ...options }: { readonly actions?: boolean; readonly greeting?: typeof begun } = {},
): Promise<void> {
  fleetd = await FakeFleetd.start(options);
  fleetd.greeting = () => [greeting];
  page = await browser.context.newPage();
  complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (line) => {
    if (line.type() === "error" && !/Failed to load resource|ERR_CONNECTION_REFUSED/.test(line.text())) {
      complaints.push(line.text());
    }
  });
  await page.goto(`${fleetd.url}${hash}`);
}

/** Names of the units that are listed. */
async function listed(): Promise<readonly string[]> {
  return await page.locator(".unit-name").allTextContents();
}

function row(name: string) {
  return page.locator(".unit-table tr", { has: page.getByText(name, { exact: true }) });
}

describe.skipIf(problem !== undefined)(`the dashboard${problem === undefined ? "" : ` (${problem})`}`, () => {
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await page.close();
    await fleetd.stop();
    expect(complaints).toEqual([]);
  });

  describe("overview", () => {
    beforeEach(() => open());

    test("shows machines, units and events, live", async () => {
      await page.getByText("Live", { exact: true }).waitFor();
      expect(await listed()).toEqual(["api.service", "db.service", "gpu.service", "web.service"]);
      expect(await row("db.service").textContent()).toContain("Failed");
      expect(await row("gpu.service").textContent()).toContain("Waiting");
      expect(await page.locator(".machine-table tr.machine").count()).toBe(3);
      expect(await page.locator(".machine-table").textContent()).toContain("region=south");
      await page.getByText("web.service was placed on m2").waitFor();
      expect(fleetd.opened.map(String)).toEqual(["kinds=units%2Cstates%2Cmachines%2Cevents&options=none"]);
    });

    test("shows a failover as it happens, without being loaded again", async () => {
      await row("web.service").waitFor();
      fleetd.tell(
        delta(101, {
          machines: { put: [], removed: [machineId(2)] },
          states: {
            put: [],
            removed: ["api.service", "web.service"].map((name) => ({ name, machineID: machineId(2) })),
          },
        }),
      );
      await page.getByText("0 of 2 units elsewhere").waitFor();
      expect(await page.locator(".machine-table tr.lost").textContent()).toContain("lost just now");
      await expect.poll(() => row("web.service").textContent()).toContain("Moving");
      fleetd.tell(
        delta(102, {
          summaries: { put: [summary("api.service", 1), summary("web.service", 3)], removed: [] },
          states: { put: [state("api.service", 1), state("web.service", 3)], removed: [] },
          events: [
            event("moved", "web.service moved to m3", { unit: "web.service", machineID: machineId(3) }),
          ],
        }),
      );
      await page.getByText(/2 units elsewhere after \d/).waitFor();
      await expect.poll(() => row("web.service").textContent()).toContain("Active");
      expect(await row("web.service").textContent()).toContain(machineId(3).slice(0, 8));
      await page.getByText("web.service moved to m3").waitFor();
    });

    test("filters by text and state, and keeps both in the address", async () => {
      await page.getByRole("searchbox").fill("answers");
      await row("db.service").waitFor({ state: "detached" });
      expect(await listed()).toEqual(["api.service", "web.service"]);
      await page.getByRole("button", { name: "Active" }).click();
      await expect.poll(() => page.url()).toMatch(/#\/\?state=active&q=answers$/);
      await page.reload();
      await row("web.service").waitFor();
      expect(await listed()).toEqual(["api.service", "web.service"]);
      await page.getByRole("searchbox").fill("nothing has this");
      await page.getByRole("button", { name: "Clear the filters" }).click();
      await expect.poll(listed).toHaveLength(4);
    });

    test("is sorted by a click on a column's head", async () => {
      await page.getByRole("button", { name: "State" }).click();
      await expect.poll(async () => (await listed())[0]).toBe("db.service");
      expect(await page.getByRole("columnheader", { name: "State" }).getAttribute("aria-sort")).toBe(
        "ascending",
      );
      await page.getByRole("button", { name: "Unit", exact: true }).click();
      await expect.poll(async () => (await listed())[0]).toBe("api.service");
      await page.getByRole("button", { name: "Unit", exact: true }).click();
      await expect.poll(listed).toEqual(["web.service", "gpu.service", "db.service", "api.service"]);
    });

    test("is used by keyboard: / searches, arrows go through the list, Enter opens", async () => {
      const focused = () => page.evaluate("document.activeElement.textContent");
      await row("web.service").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("service");
      await page.keyboard.press("ArrowDown");
      await expect.poll(focused).toContain("api.service");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await expect.poll(focused).toContain("gpu.service");
      await page.keyboard.press("End");
      await expect.poll(focused).toContain("web.service");
      await page.keyboard.press("Home");
      await expect.poll(focused).toContain("api.service");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "api.service" }).waitFor();
      expect(page.url()).toMatch(/#\/units\/api\.service$/);
      await page.goBack();
      await row("api.service").waitFor();
    });

    test("takes part in the order of focus with one row of each list", async () => {
      await row("web.service").waitFor();
      const stops: unknown[] = [];
      for (let index = 0; index < 24; index += 1) {
        await page.keyboard.press("Tab");
        stops.push(await page.evaluate("document.activeElement.closest('tr[data-row]')?.className ?? ''"));
      }
      expect(stops.filter((name) => name === "machine present")).toHaveLength(1);
      const links = await page.locator(".unit-table a[tabindex='0']").count();
      expect(links).toBe(1);
    });

    test("has a theme of its own that outlives a reload", async () => {
      const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
      const light = await ground();
      await page.getByRole("button", { name: /^Colours/ }).click();
      expect(await ground()).toBe(light);
      await page.getByRole("button", { name: /^Colours: light/ }).click();
      const dark = await ground();
      expect(dark).not.toBe(light);
      await page.reload();
      await row("web.service").waitFor();
      expect(await ground()).toBe(dark);
      await page.getByRole("button", { name: /^Colours: dark/ }).click();
      expect(await ground()).toBe(light);
    });
  });

  describe("connection", () => {
    beforeEach(() => open());

    test("its loss is shown, and the stream goes on from where it was", async () => {
      await row("web.service").waitFor();
      fleetd.tell(delta(140, { summaries: { put: [summary("new.service", 3)], removed: [] } }));
      await row("new.service").waitFor();
      await fleetd.vanish();
      await page.getByText("fleetd does not answer.").waitFor();
      expect(await page.locator("main.out-of-date").count()).toBe(1);
      await page.setViewportSize({ width: 360, height: 740 });
      const button = page.locator(".banner button");
      // In one line: its height is fixed.
      expect(await button.evaluate((shown) => shown.scrollHeight - shown.clientHeight)).toBe(0);
      expect(await listed()).toContain("web.service");
      fleetd.greeting = (search) => [
        search.get("since") === "140"
          ? delta(150, { states: { put: [state("new.service", 3)], removed: [] } })
          : { type: "status", status: "stale" },
      ];
      await fleetd.listen();
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByText("fleetd does not answer.").waitFor({ state: "detached" });
      await expect.poll(() => row("new.service").textContent()).toContain("Active");
      expect(fleetd.opened.at(-1)?.get("cluster")).toBe("c1");
    });

    test("fleetd being cut off from etcd is shown, too", async () => {
      await row("web.service").waitFor();
      fleetd.tell({ type: "status", status: "stale", message: "etcd does not answer" });
      await page.getByText("fleetd is cut off from etcd.").waitFor();
      await page.getByText("etcd does not answer").waitFor();
      fleetd.tell({ type: "status", status: "connected" });
      fleetd.tell({ ...begun, revision: 160 });
      await page.getByText("Live", { exact: true }).waitFor();
    });
  });

  describe("a unit's page", () => {
    test("shows file, explanation, states and history, and stays up to date", async () => {
      await open();
      fleetd.units.set("web.service", {
        name: "web.service",
        desiredState: "launched",
        options: [
          { section: "Service", name: "ExecStart", value: "/bin/echo <b>not markup</b>" },
          { section: "X-Fleet", name: "MachineMetadata", value: "region=south" },
        ],
      });
      fleetd.explanations.set("web.service", {
        unit: "web.service",
        desiredState: "launched",
        verdict: "placed",
        machines: 3,
        placements: [{ machineID: machineId(2), fits: true, text: "on m2, which alone fits" }],
        causes: [
          { cause: "MachineMetadata", machines: 2, examples: [machineId(1)], text: "lack region=south" },
        ],
        remedies: [],
        summary: "It is on m2, which alone fits.",
      });
      await row("web.service").getByRole("link").click();
      await page.getByText("It is on m2, which alone fits.").waitFor();
      await page.getByText("lack region=south").waitFor();
      // The summary has said it.
      expect(await page.getByText("on m2, which alone fits").count()).toBe(1);
      expect(await page.locator("pre").textContent()).toBe(
        "[Service]\nExecStart=/bin/echo <b>not markup</b>\n\n[X-Fleet]\nMachineMetadata=region=south\n",
      );
      fleetd.tell(
        delta(101, { states: { put: [state("web.service", 2, "failed", "failed")], removed: [] } }),
      );
      await page.getByText("active (running) →").waitFor();
      await expect.poll(() => page.locator(".facts").textContent()).toContain("Failed");
    });

    test("says so where there is no such unit, and does without an explanation", async () => {
      await open("#/units/absent.service");
      await page.getByText("The cluster has no such unit.").waitFor();
      await page.getByText("Why it is where it is").waitFor({ state: "detached" });
    });

    test("changes nothing unless fleetd allows it", async () => {
      await open("#/units/web.service");
      await page.getByRole("heading", { name: "web.service" }).waitFor();
      expect(await page.getByRole("button", { name: "Stop" }).count()).toBe(0);
    });

    test("stops a unit after a question, where fleetd allows it", async () => {
      await open("#/units/web.service", { actions: true });
      const question = page.getByRole("dialog");
      const ask = async (): Promise<void> => {
        await page.locator(".actions > button", { hasText: "Stop" }).click();
        await question.waitFor();
      };
      await ask();
      await question.getByRole("button", { name: "Cancel" }).click();
      await question.waitFor({ state: "detached" });
      await ask();
      await page.keyboard.press("Escape");
      await question.waitFor({ state: "detached" });
      expect(fleetd.changes).toEqual([]);
      await ask();
      await question.getByRole("button", { name: "Stop" }).click();
      await question.waitFor({ state: "detached" });
      expect(fleetd.changes).toEqual([["web.service", { desiredState: "loaded" }]]);
    });
  });

  test("a machine's page shows its units and events", async () => {
    await open(`#/machines/${machineId(2)}`);
    await page.getByRole("heading", { name: machineId(2) }).waitFor();
    await row("web.service").waitFor();
    expect(await listed()).toEqual(["api.service", "web.service"]);
    await page.getByText("web.service was placed on m2").waitFor();
  });

  test("nothing is wider than a small phone", async () => {
    await open();
    await page.setViewportSize({ width: 360, height: 740 });
    for (const hash of [
      "#/",
      "#/units",
      "#/machines",
      "#/events",
      "#/units/web.service",
      `#/machines/${machineId(2)}`,
    ]) {
      await page.goto(`${fleetd.url}${hash}`);
      await page.locator("main section").first().waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth"), hash).toBeLessThanOrEqual(360);
      expect(await page.evaluate("document.querySelector('main').scrollWidth"), hash).toBeLessThanOrEqual(
        360,
      );
    }
  });

  test.each([
    ["on a phone", 360, 340],
    ["beside machines and events", 1280, 280],
  ])("names have room in a list that is longer than the screen, %s", async (_where, width, least) => {
    const summaries = Array.from({ length: 100 }, (_, n) => summary(`web@${100 + n}.service`, 1));
    await open("#/", { greeting: snapshot({ machines: [machine(1)], summaries, states: [], events: [] }) });
    await page.setViewportSize({ width, height: 800 });
    await row("web@100.service").waitFor();
    // Found and measured in one: rows are replaced while the list scrolls.
    const widthOf = () =>
      page.evaluate("document.querySelector('td.column-name').getBoundingClientRect().width");
    expect(await widthOf()).toBeGreaterThan(least);
    await page.locator(".unit-table a").first().focus();
    await page.keyboard.press("End");
    // The row that gets the focus is there before the others have gone.
    await row("web@199.service").waitFor();
    await row("web@100.service").waitFor({ state: "detached" });
    expect(await widthOf()).toBeGreaterThan(least);
  });
});
