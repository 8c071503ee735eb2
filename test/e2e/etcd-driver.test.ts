import type { CommandResult } from "@fleet/lab";
import { expect, it } from "vitest";
import { serviceText, useLabCluster } from "./lab-cluster.ts";

// The machines' daemons are killed on the way: the tests share one cluster, in their order.
const lab = useLabCluster({ etcdMembers: 3, machines: [{}, {}], restore: false });

/** fleetctl past all daemons, with every member of etcd named. */
function overEtcd(...args: readonly string[]): Promise<CommandResult> {
  return lab.fleetctl("--driver=etcd", `--endpoint=${lab.cluster.etcd.endpoints.join(",")}`, ...args);
}

it("starts, lists, stops and destroys units with no daemon in between", async () => {
  const [path = ""] = lab.unitFiles({ "a.service": serviceText() });
  const { id, publicIp } = lab.machine("m1");
  const legend = `${id.slice(0, 8)}.../${publicIp}`;
  expect(await overEtcd("start", path)).toMatchObject({
    exitCode: 0,
    stdout: `Unit a.service inactive\nUnit a.service launched on ${legend}\n`,
    stderr: "",
  });
  expect(await overEtcd("list-units", "--no-legend")).toMatchObject({
    exitCode: 0,
    stdout: `a.service\t${legend}\tactive\trunning\n`,
  });
  const { stdout } = await lab.fleetctlOk("list-machines");
  expect(await overEtcd("list-machines")).toMatchObject({ exitCode: 0, stdout, stderr: "" });
  expect(await overEtcd("stop", "a")).toMatchObject({
    exitCode: 0,
    stdout: `Unit a.service loaded on ${legend}\n`,
  });
  expect(await overEtcd("destroy", "a")).toMatchObject({ exitCode: 0, stdout: "Destroyed a.service\n" });
  await lab.untilActive([]);
});

it("works while a member of etcd hangs and a machine's daemon is dead", async () => {
  const [path = ""] = lab.unitFiles({ "b.service": serviceText() });
  lab.cluster.etcd.members[0]?.pause();
  await lab.machine("m1").killFleetd();
  // Its machine is not lost yet, and has the lowest id: the unit is assigned to it first, and waits there.
  const started = await overEtcd("start", "--no-block", path);
  expect(started).toMatchObject({ exitCode: 0 });
  lab.cluster.etcd.members[0]?.resume();
  await lab.cluster.waitFor({
    what: "the unit to run on the machine whose daemon is alive",
    probe: () => overEtcd("list-units", "--no-legend", "--fields=unit,machine,active", "--full"),
    until: ({ stdout }) =>
      stdout.includes(`b.service\t${lab.machine("m2").id}`) && stdout.includes("\tactive"),
    timeoutMs: 60_000,
  });
  expect(await overEtcd("destroy", "b")).toMatchObject({ exitCode: 0 });
});

it("lists what is wanted when no daemon is left", async () => {
  await lab.fleetctlOk("submit", ...lab.unitFiles({ "c.service": serviceText() }));
  await lab.machine("m2").killFleetd();
  const result = await overEtcdAlone("list-unit-files", "--no-legend", "--fields=unit,dstate");
  expect(result).toMatchObject({ exitCode: 0, stdout: "c.service\tinactive\n" });
});

it("says so, soon, when etcd is away", async () => {
  lab.cluster.etcd.pause();
  try {
    const result = await overEtcdAlone("list-units");
    expect(result).toMatchObject({ exitCode: 1, stdout: "" });
    expect(result.stderr).toMatch(/^Unable to reach etcd at http:/);
  } finally {
    lab.cluster.etcd.resume();
  }
});

/** As overEtcd, when there is no daemon that the lab could name as the endpoint. */
function overEtcdAlone(...args: readonly string[]): Promise<CommandResult> {
  const endpoint = `--endpoint=${lab.cluster.etcd.endpoints.join(",")}`;
  return lab.cluster.fleetctl(["--driver=etcd", endpoint, ...args], {
    via: lab.machine("m1"),
    timeoutMs: 20_000,
  });
}
