import { expect, it, vi } from "vitest";
import { processTerminal } from "../../../../packages/fleetctl/src/live/process-terminal.ts";
import { Talk } from "../../../../packages/fleetctl/src/output/talk.ts";

it("is suspended until all signals have been heard that it was continued with", async () => {
  const heard: string[] = [];
  // As a shell does that ends a stopped job: the kernel has what continues it handled first.
  const kill = vi.spyOn(process, "kill").mockImplementation(() => {
    setTimeout(() => process.emit("SIGCONT"), 1);
    setTimeout(() => heard.push("SIGTERM"), 1);
    return true;
  });
  await processTerminal(process.stdin, process.stdout, new Talk(() => {})).suspend();
  expect(kill.mock.calls).toEqual([[process.pid, "SIGTSTP"]]);
  expect(heard).toEqual(["SIGTERM"]);
  kill.mockRestore();
});
