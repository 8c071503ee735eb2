import { defineConfig } from "vitest/config";

// Workspace packages resolve to their TypeScript source (export condition "source"), so a test never runs
// against a stale build.
const source = {
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source", "node", "import"], externalConditions: ["node"] } },
};

/**
 * Whole clusters whose tests say how long something takes, or start much at once: they have the host to themselves. With what
 * the others do beside each other two cores are half idle otherwise.
 */
const alone = [
  "adoption",
  "exclusive-in-order",
  "explain",
  "failover",
  "full-machines",
  "latency",
  "mass-loss",
  "metadata",
  "metrics",
  "original-client",
  "paging",
  "placement",
  "registry-guard",
  "reseed",
  "shutdown-policy",
  "slow-start",
  "start-up-time",
  "streams",
].map((name) => `test/e2e/${name}.test.ts`);

export default defineConfig({
  test: {
    // One for each core: by default one core is left to Vitest itself, which needs little of it.
    maxWorkers: "100%",
    projects: [
      {
        ...source,
        // Property tests take a second on a quiet host, and several beside others.
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000 },
      },
      {
        ...source,
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { ...source, test: { name: "scenario", include: ["test/scenario/**/*.test.ts"], testTimeout: 60_000 } },
      {
        ...source,
        test: { name: "simulation", include: ["test/simulation/**/*.test.ts"], testTimeout: 600_000 },
      },
      {
        ...source,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: alone,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        ...source,
        test: {
          name: "e2e-alone",
          include: alone,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        ...source,
        // In a real Chromium. One at a time: frames are measured.
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        ...source,
        // Minutes each: `npm run drill`, not part of `npm test`.
        test: {
          name: "drill",
          include: ["test/drills/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
