import { afterAll, beforeAll, expect, it } from "vitest";
import { fleetctl, type Outcome } from "./command-line.ts";
import { OneMachineCluster } from "./one-machine-cluster.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

let cluster: OneMachineCluster;

beforeAll(async () => {
  cluster = await OneMachineCluster.start();
});

afterAll(() => cluster.close());

const run = (...args: string[]): Promise<Outcome> => fleetctl(cluster.endpoint, args);
const atMs = Date.parse("2026-11-20T12:00:00.000Z");

it("a mass loss is told by list-machines, beside its data, and confirmed with confirm-loss --yes", async () => {
  expect(await run("confirm-loss", "--yes")).toEqual({
    code: 0,
    stdout: "",
    stderr: "Nothing is held: no mass loss is to be confirmed.\n",
  });
  await cluster.hold({ atMs, vanished: 3, of: 4, machines: ["m2", "m3", "m4"] });
  const notice =
    "re-placing is held: 3 of 4 machines vanished at 2026-11-20T12:00:00.000Z; confirm with fleetctl confirm-loss\n";
  expect(await run("list-machines", "--no-legend")).toEqual({
    code: 0,
    stdout: "0acdd9bf...\t10.0.2.15\tregion=china\n",
    stderr: notice,
  });
  await cluster.hold({ atMs, vanished: 3, of: 4, machines: ["m2", "m4"] });
  const shown = await run("confirm-loss");
  expect(shown).toMatchObject({ code: 0, stdout: "m2\nm4\n" });
  expect(shown.stderr).toContain("; 2 of them are still away; ");
  expect(shown.stderr).toContain("Nothing has been changed: with --yes");
  expect(await run("confirm-loss", "--yes")).toEqual({
    code: 0,
    stdout: "m2\nm4\n",
    stderr: "Confirmed: 2 lost; what they ran is placed elsewhere.\n",
  });
  expect((await run("list-machines")).stderr).toBe("");
});

it("a server of fleet 1.0 holds nothing", async () => {
  const fleet = new ScriptedFleet();
  const endpoint = await fleet.listen();
  expect(await fleetctl(endpoint, ["confirm-loss"])).toMatchObject({ code: 0, stdout: "" });
  await fleet.close();
});
