import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

const lab = useLabCluster({ machines: [{}], restore: false });

/** A service whose unit file has about this many bytes, in lines that systemd takes. */
function text(bytes: number): string {
  const service = serviceText({ service: ["ExecStart=/bin/sleep infinity"] });
  const line = `${"Environment=PAD=".padEnd(1_000, "x")}\n`;
  return service + line.repeat(Math.floor((bytes - service.length) / line.length));
}

it("a unit file of nearly 1 MiB is submitted, run and shown; a larger one is refused with the reason", async () => {
  await lab.start({ "large.service": text(1_000_000) });
  await lab.untilActive(["large.service m1"], 60_000);
  const shown = await lab.fleetctlOk("cat", "large.service");
  expect(shown.stdout.length).toBeGreaterThan(990_000);

  const [path = ""] = lab.unitFiles({ "larger.service": text(2_000_000) });
  expect(await lab.fleetctl("start", path)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/the unit file is \d+ bytes long: the limit is 1048576/),
  });
});
