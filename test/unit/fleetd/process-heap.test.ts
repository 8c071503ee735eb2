import { expect, test } from "vitest";
import { processHeap } from "../../../packages/fleetd/src/process-heap.ts";

test("releasing gives back what a burst of work has left behind", async () => {
  await processHeap.release();
  const before = processHeap.size().heldBytes;
  let burst: object[] = Array.from({ length: 300_000 }, (_, index) => ({ name: `unit-${index}.service` }));
  const grown = processHeap.size().heldBytes - before;
  expect(burst).toHaveLength(300_000);
  burst = [];
  await processHeap.release();
  expect(grown).toBeGreaterThan(16 * 1_024 ** 2);
  expect(processHeap.size().heldBytes - before).toBeLessThan(grown / 8);
});

test("CPU time counts up", () => {
  const before = processHeap.cpuMs();
  const untilMs = performance.now() + 50;
  while (performance.now() < untilMs);
  expect(processHeap.cpuMs() - before).toBeGreaterThan(10);
});
