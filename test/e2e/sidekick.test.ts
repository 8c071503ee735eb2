import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { useLabCluster } from "./lab-cluster.ts";

// A web server and the sidekick that announces it, as books on fleet teach it.

const EXAMPLES = fileURLToPath(new URL("../../examples/units", import.meta.url));
const TEMPLATES = ["apache@.service", "apache-secretary@.service"];
const lab = useLabCluster();

/** Runs fleetctl in the directory of the examples; it has to succeed. */
async function fleetctl(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.cluster.fleetctl(args, { cwd: EXAMPLES });
  expect(exitCode, `fleetctl ${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout;
}

/** Waits until the sidekick of a port has announced it on that machine, or has taken that back. */
async function untilAnnounced(port: string, machineName: string, announced: boolean): Promise<void> {
  const machine = lab.machine(machineName);
  const file = `${machine.machine.runtimeDirectory}/fleet-example-apache-${port}`;
  await lab.cluster.waitFor({
    what: `port ${port} to be ${announced ? "announced" : "announced no more"} on ${machineName}`,
    probe: () => machine.run(["test", "-e", file]),
    until: ({ exitCode }) => exitCode === (announced ? 0 : 1),
    timeoutMs: 15_000,
  });
}

/** Unit and desired state, one blank between them, as list-unit-files shows them. */
async function desiredStates(): Promise<readonly string[]> {
  const table = await fleetctl("list-unit-files", "--no-legend", "--fields=unit,dstate");
  return table.trimEnd().replaceAll(/\t+/g, " ").split("\n").sort();
}

describe("a web server and its sidekick", () => {
  it("from templates: the server takes its sidekick along, and each server has a machine of its own", async () => {
    await fleetctl("submit", ...TEMPLATES);
    await fleetctl("load", "apache@8080.service", "apache-secretary@8080.service");
    expect(await lab.active()).toEqual([]);
    // systemd's own dependencies start the sidekick.
    await fleetctl("start", "apache@8080.service");
    const { "apache@8080.service": first = "" } = await lab.placements();
    await lab.untilActive([`apache@8080.service ${first}`, `apache-secretary@8080.service ${first}`]);
    await untilAnnounced("8080", first, true);

    await fleetctl("load", "apache@8081.service", "apache-secretary@8081.service");
    await fleetctl("start", "apache@8081.service");
    const { "apache@8081.service": second = "" } = await lab.placements();
    expect(second).not.toBe(first);
    await untilAnnounced("8081", second, true);

    await fleetctl("stop", "apache@8080.service");
    await lab.untilActive([`apache@8081.service ${second}`, `apache-secretary@8081.service ${second}`]);
    await untilAnnounced("8080", first, false);
    await fleetctl("destroy", "apache@8081.service");
    await lab.untilActive([]);
    await untilAnnounced("8081", second, false);
  });

  it("from symlinked instances, named by what the shell makes of a pattern", async () => {
    const directory = lab.cluster.directory.subdirectory("instances");
    const instances = ["8080", "8081"].flatMap((port) =>
      TEMPLATES.map((template) => {
        const path = join(directory, template.replace("@", `@${port}`));
        symlinkSync(join(EXAMPLES, template), path);
        return path;
      }),
    );
    await fleetctl("submit", ...TEMPLATES);
    await fleetctl("load", ...instances);
    await fleetctl("start", ...instances.filter((path) => path.includes("/apache@")));
    const placements = await lab.placements();
    expect(placements["apache@8080.service"]).not.toBe(placements["apache@8081.service"]);
    const running = (port: string): readonly string[] =>
      ["apache", "apache-secretary"].map(
        (kind) => `${kind}@${port}.service ${placements[`apache@${port}.service`]}`,
      );
    await lab.untilActive([...running("8080"), ...running("8081")]);
    await fleetctl("stop", "apache@8080.service");
    await lab.untilActive(running("8081"));
    expect(await desiredStates()).toEqual([
      "apache-secretary@.service inactive",
      "apache-secretary@8080.service loaded",
      "apache-secretary@8081.service loaded",
      "apache@.service inactive",
      "apache@8080.service loaded",
      "apache@8081.service launched",
    ]);
  });

  it("both run again on another machine when theirs is lost", async () => {
    await fleetctl("submit", ...TEMPLATES);
    await fleetctl("load", "apache@8080.service", "apache-secretary@8080.service");
    await fleetctl("start", "apache@8080.service");
    const { "apache@8080.service": first = "" } = await lab.placements();
    await untilAnnounced("8080", first, true);
    await lab.machine(first).kill();
    await lab.cluster.waitFor({
      what: "both to run elsewhere",
      probe: () => lab.active(),
      until: (active) => active.length === 2 && active.every((line) => !line.endsWith(` ${first}`)),
      timeoutMs: 30_000,
    });
    const { "apache@8080.service": second = "", "apache-secretary@8080.service": sidekick } =
      await lab.placements();
    expect(sidekick).toBe(second);
    await untilAnnounced("8080", second, true);
  });
});
