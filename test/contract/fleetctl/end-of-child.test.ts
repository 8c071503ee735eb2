import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, it, vi } from "vitest";
import { endOfChild } from "../../../packages/fleetctl/src/remote/end-of-child.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** Many times as long as an output is waited for that somebody else holds. */
async function muchLater(): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    vi.advanceTimersByTime(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it("waits for a reader that is slower than the program", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  // What is not read at once fits into buffers and the pipe, so that the program ends.
  const child = spawn("head", ["-c", "150000", "/dev/zero"]);
  let bytes = 0;
  let slow = true;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (slow) child.stdout.pause();
  });
  const end = endOfChild(child);
  await once(child, "exit");
  await muchLater();
  expect(bytes).toBeLessThan(150_000);
  slow = false;
  child.stdout.resume();
  expect(await end).toEqual({ code: 0, signal: null });
  expect(bytes).toBe(150_000);
});

it("does not wait for an output that only a program it has started holds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const child = spawn("sh", ["-c", "sleep 60 & echo $!"]);
  let holder = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    holder += text;
  });
  const end = endOfChild(child);
  await once(child, "exit");
  await muchLater();
  expect(await end).toEqual({ code: 0, signal: null });
  process.kill(Number(holder));
});
