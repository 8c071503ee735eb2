import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildDashboard } from "@fleet/dashboard/build";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { delta, largeCluster, machineId, state } from "../unit/dashboard/cluster-messages.ts";
import { browserProblem, type OpenBrowser, openBrowser } from "./chromium.ts";
import { FakeFleetd } from "./fake-fleetd.ts";

const problem = browserProblem();
const units = 10_000;
const machines = 100;

/** Notes when the first message came, and when the frame after the first row had been drawn. */
const noteFirstPaint = `
  const Native = WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", () => { window.firstMessageAt ??= performance.now(); }, { once: true });
    }
  };
  const look = () => {
    if (document.querySelector(".unit-name") === null) requestAnimationFrame(look);
    else requestAnimationFrame(() => setTimeout(() => { window.firstRowsAt = performance.now(); document.documentElement.dataset.firstRowsAt = ""; }));
  };
  requestAnimationFrame(look);
`;

const startFrames = `
  window.frames_ = [];
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longTasks.push(duration);
  }).observe({ entryTypes: ["longtask"] });
  window.counting = true;
  let last = performance.now();
  const frame = (now) => {
    window.frames_.push(now - last);
    last = now;
    if (window.counting) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
`;
const endFrames = "window.counting = false; ({ frames: window.frames_, longTasks: window.longTasks })";
const framesShape = z.object({ frames: z.array(z.number()), longTasks: z.array(z.number()) });

interface Frames {
  readonly count: number;
  readonly median: number;
  readonly p95: number;
  readonly worst: number;
  readonly longestTask: number;
}

/** Frame times, in milliseconds, while this is going on. */
async function framesDuring(page: Page, what: string, work: () => Promise<void>): Promise<Frames> {
  await page.evaluate(startFrames);
  await work();
  const { frames, longTasks } = framesShape.parse(await page.evaluate(endFrames));
  const sorted = frames.slice(1).sort((one, other) => one - other);
  const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  const result = {
    count: sorted.length,
    median: at(0.5),
    p95: at(0.95),
    worst: at(1),
    longestTask: Math.round(Math.max(0, ...longTasks)),
  };
  process.stdout.write(
    `${what}: ${result.count} frames, median ${result.median} ms, p95 ${result.p95} ms, worst ${result.worst} ms, longest task ${result.longestTask} ms\n`,
  );
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const states = [
  ["active", "running"],
  ["deactivating", "stop"],
  ["activating", "start"],
  ["failed", "failed"],
] as const;

/** Tells of 100 units that change their state, twenty times a second: 2 000 changes a second. */
async function storm(fleetd: FakeFleetd, forMs: number): Promise<void> {
  const until = performance.now() + forMs;
  for (let round = 0; performance.now() < until; round += 1) {
    const put = Array.from({ length: 100 }, (_, index) => {
      const unit = (round * 100 + index * 97) % units;
      const [active, sub] = states[(round + index) % states.length] ?? states[0];
      return state(`app-${String(unit).padStart(5, "0")}.service`, 1 + (unit % machines), active, sub);
    });
    fleetd.tell(delta(1_000 + round, { states: { put, removed: [] } }));
    await pause(50);
  }
}

describe("what the browser loads", () => {
  test("is small", async () => {
    const directory = await mkdtemp(join(tmpdir(), "fleet-dashboard-"));
    await buildDashboard(join(directory, "ui"));
    const names = await readdir(join(directory, "ui"));
    const files = await Promise.all(names.map((name) => readFile(join(directory, "ui", name))));
    await rm(directory, { recursive: true });
    const bytes = files.reduce((sum, file) => sum + file.length, 0);
    const packed = files.reduce((sum, file) => sum + gzipSync(file, { level: 1 }).length, 0);
    process.stdout.write(`dashboard: ${names.length} files, ${bytes} bytes, ${packed} compressed\n`);
    expect(names.map((name) => name.replace(/-\w{8}\./, "-HASH.")).sort()).toEqual([
      "app-HASH.js",
      "icon-HASH.svg",
      "index.html",
      "style-HASH.css",
    ]);
    expect(bytes).toBeLessThan(100_000);
    expect(packed).toBeLessThan(40_000);
    // Everything comes from where the page came from.
    const [page = ""] = files.filter((_, index) => names[index] === "index.html").map(String);
    expect(page).not.toMatch(/https?:|<style|<script>| on\w+=/);
  });
});

describe.skipIf(problem !== undefined)(
  `${units} units${problem === undefined ? "" : ` (${problem})`}`,
  () => {
    let browser: OpenBrowser;
    let fleetd: FakeFleetd;
    let page: Page;

    beforeAll(async () => {
      browser = await openBrowser();
      fleetd = await FakeFleetd.start();
      const begun = largeCluster(units, machines);
      fleetd.greeting = () => [begun];
      page = await browser.context.newPage();
      await page.addInitScript(noteFirstPaint);
      await page.goto(fleetd.url);
      await page.locator("html[data-first-rows-at]").waitFor();
    });
    afterAll(async () => {
      await browser.close();
      await fleetd.stop();
    });

    // Bounds are wide: the browser draws without a graphics card, on a host that does other things. What is wanted is a
    // first paint within a second and frames of 17 ms; docs/dashboard.md has what was measured.

    test("are seen soon after the data", async () => {
      const ms = z.number().parse(await page.evaluate("window.firstRowsAt - window.firstMessageAt"));
      process.stdout.write(`first paint: ${Math.round(ms)} ms after the data\n`);
      expect(ms).toBeLessThan(3_000);
      expect(await page.locator(".pane-foot").textContent()).toBe("10,000 units");
    });

    test("have only those rows that are in sight", async () => {
      expect(await page.locator(".unit-table tr[data-row]").count()).toBeLessThan(80);
      expect(await page.locator(".unit-table").getAttribute("aria-rowcount")).toBe("10001");
    });

    test("stay fluid while 2 000 of them change each second", async () => {
      const frames = await framesDuring(page, "2 000 changes a second", () => storm(fleetd, 4_000));
      expect(frames.median).toBeLessThan(100);
      expect(frames.p95).toBeLessThan(500);
      expect(frames.longestTask).toBeLessThan(1_000);
    });

    test("stay fluid while one scrolls through the changes", async () => {
      await page.locator(".unit-table").hover();
      const frames = await framesDuring(page, "the same while scrolling", async () => {
        const changing = storm(fleetd, 4_000);
        for (let step = 0; step < 40; step += 1) {
          await page.mouse.wheel(0, 900);
          await pause(60);
        }
        await changing;
      });
      expect(frames.median).toBeLessThan(100);
      expect(frames.p95).toBeLessThan(500);
      const first = await page.locator(".unit-table tr[data-row]").first().getAttribute("data-row");
      expect(Number(first)).toBeGreaterThanOrEqual(0);
      expect(await page.locator(".unit-table .unit-name").nth(30).textContent()).not.toBe(
        "app-00030.service",
      );
    });

    test("are searched while one types", async () => {
      const frames = await framesDuring(page, "typing a search", async () => {
        await page.keyboard.press("/");
        await page.keyboard.type("queue 4242", { delay: 60 });
      });
      await page.getByText("1 of 10,000 units").waitFor();
      expect(await page.locator(".unit-name").allTextContents()).toEqual(["app-04242.service"]);
      expect(frames.p95).toBeLessThan(500);
      await page.getByRole("searchbox").fill("");
    });

    test("move away from a lost machine in one go", async () => {
      const lost = machineId(7);
      const names = Array.from({ length: units / machines }, (_, index) => index * machines + 6).map(
        (unit) => `app-${String(unit).padStart(5, "0")}.service`,
      );
      fleetd.tell(
        delta(9_000, {
          machines: { put: [], removed: [lost] },
          states: { put: [], removed: names.map((name) => ({ name, machineID: lost })) },
        }),
      );
      await page.getByText("0 of 100 units elsewhere").waitFor();
    });
  },
);
