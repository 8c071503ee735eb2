import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { useLabCluster } from "./lab-cluster.ts";

// A load balancer whose configuration lies in a directory that three units on one machine share, and web servers
// behind it that come and go: the second worked case of books on fleet.

const EXAMPLES = fileURLToPath(new URL("../../examples/units", import.meta.url));
const GROUP = ["confdata.service", "confd.service", "nginx.service"];
const lab = useLabCluster();

async function fleetctl(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.cluster.fleetctl(args, { cwd: EXAMPLES });
  expect(exitCode, `fleetctl ${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout;
}

async function untilConfigured(machineName: string): Promise<void> {
  const machine = lab.machine(machineName);
  await lab.cluster.waitFor({
    what: `the balancer's configuration on ${machineName}`,
    probe: () => machine.run(["cat", `${machine.machine.runtimeDirectory}/fleet-example-conf/upstreams`]),
    until: ({ stdout }) => /\d{4}/.test(stdout),
    timeoutMs: 15_000,
  });
}

function allOn(machine: string, units: readonly string[] = GROUP): readonly string[] {
  return units.map((unit) => `${unit} ${machine}`);
}

describe("a load balancer", () => {
  it("runs as a group on one machine, its data volume active (exited), while servers come and go", async () => {
    await fleetctl("submit", ...GROUP, "apache@.service", "apache-secretary@.service");
    await fleetctl("start", "confdata.service");
    const { "confdata.service": machine = "" } = await lab.placements();
    const row = await fleetctl("list-units", "--no-legend", "--fields=unit,active,sub");
    expect(row).toBe("confdata.service\tactive\texited\n");
    await fleetctl("start", "confd.service", "nginx.service");
    await lab.untilActive(allOn(machine));
    await untilConfigured(machine);

    await fleetctl("start", "apache@1.service", "apache@2.service", "apache@3.service");
    const servers = await lab.placements();
    const homes = ["1", "2", "3"].map(
      (instance) => `apache@${instance}.service ${servers[`apache@${instance}.service`]}`,
    );
    await lab.untilActive([...allOn(machine), ...homes]);
    await fleetctl("destroy", "apache@2.service");
    await lab.untilActive([...allOn(machine), ...homes.filter((line) => !line.startsWith("apache@2."))]);
    expect(await lab.placements()).toMatchObject(Object.fromEntries(GROUP.map((unit) => [unit, machine])));
  });

  it("moves as a group when its machine is lost, and ends as one", async () => {
    await fleetctl("start", ...GROUP);
    const { "confdata.service": first = "" } = await lab.placements();
    await lab.machine(first).kill();
    await lab.cluster.waitFor({
      what: "the group to run elsewhere",
      probe: () => lab.active(),
      until: (active) =>
        active.length === GROUP.length && active.every((line) => !line.endsWith(` ${first}`)),
      timeoutMs: 30_000,
    });
    const placements = await lab.placements();
    expect(new Set(GROUP.map((unit) => placements[unit])).size).toBe(1);
    await untilConfigured(placements["nginx.service"] ?? "");
    await fleetctl("destroy", ...GROUP);
    await lab.untilActive([]);
  });
});
