import type { ApiReseed, FleetClient } from "@fleet/api/client";
import { sleep } from "@fleet/runtime";
import { wordedAs } from "../api-failure.ts";
import { UsageError } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";

const pollMs = 1_000;

/** Units listed by name at most; the rest is counted. */
const maxListed = 20;

const reasons = {
  other_content: "another machine runs another unit file of that name",
  other_target: "another machine has it in another target state",
  duplicate: "it runs on another machine as well",
  file_missing: "its unit file is gone from the disk",
  file_changed: "its unit file on the disk is not the one that fleet wrote",
} as const;

/** Shows how the registry stands; with flags, seeds it anew from what the machines run. */
export async function reseed(call: Invocation): Promise<number> {
  const { flags } = call;
  const waitFor = flags.number("wait-for");
  if (flags.given("wait-for") && waitFor < 1)
    throw new UsageError(`invalid value "${waitFor}" for flag --wait-for: expected 1 or more`);
  const client = await call.connect();
  let status = await read(call, client);
  if (status.state === "frozen") {
    sayFrozen(call, status);
    if (!flags.on("yes")) {
      call.say("Nothing has been changed: add --yes to seed the registry anew from what the machines run.");
      return 1;
    }
    status = await begin(call, client, status);
  }
  if (status.state === "healthy") {
    call.say("etcd holds this cluster: there is nothing to be seeded anew.");
    showMachines(call, status);
    return 0;
  }
  if (flags.given("wait-for")) status = await untilContributed(call, client, waitFor);
  showMachines(call, status);
  sayLosses(call, status);
  if (!flags.on("finish") && !flags.given("wait-for")) {
    call.say(
      "Run `fleetctl reseed` to see how far it is, `fleetctl reseed --finish` once all machines are in.",
    );
    return 0;
  }
  return await finish(call, client, status);
}

async function read(call: Invocation, client: FleetClient): Promise<ApiReseed> {
  const status = await wordedAs(
    (reason) => `Error retrieving the state of the registry: ${reason}`,
    client.reseed(call.signal),
  );
  if (status !== undefined) return status;
  throw new CommandFailure("This server cannot seed its registry anew: is it fleet 1.0?");
}

function sayFrozen(call: Invocation, { reason, clusterID, found }: ApiReseed): void {
  call.say(`fleetd is frozen: ${reason ?? ""}`);
  call.say("Units keep running. If etcd can be put back as it was, do that instead: nothing is lost then.");
  if (clusterID !== undefined) call.say(`The cluster of this machine: ${clusterID}`);
  if (found !== undefined && found.keys > 0) call.say(`What etcd holds instead: ${foundText(found)}`);
}

function foundText({ clusterID, units, keys }: NonNullable<ApiReseed["found"]>): string {
  const cluster = clusterID === undefined ? "no cluster" : `cluster ${clusterID}`;
  return `${cluster}, ${units} units, ${keys} keys in all`;
}

async function begin(call: Invocation, client: FleetClient, { found }: ApiReseed): Promise<ApiReseed> {
  const occupied = found !== undefined && found.keys > 0;
  if (occupied && !call.flags.on("discard")) {
    throw new CommandFailure(`etcd is not empty: it holds ${foundText(found)}`, {
      hints: [
        "Is it the right etcd, and the right etcd_key_prefix? Keep what is there: fleetctl --driver=etcd backup FILE",
        "With --discard all of it is thrown away.",
      ],
    });
  }
  const discard = occupied ? (found.clusterID ?? "none") : undefined;
  const status = await wordedAs(
    (reason) => `Error seeding the registry anew: ${reason}`,
    client.beginReseed(discard, call.signal),
  );
  call.say(`Begun (epoch ${status.epoch}): machines tell what they run, and nothing is started or stopped.`);
  call.say(
    "What no machine has loaded is lost: inactive units, units that waited for a machine, and metadata",
  );
  call.say("set through the API. `fleetctl restore FILE` brings it back from a backup.");
  return status;
}

async function untilContributed(call: Invocation, client: FleetClient, machines: number): Promise<ApiReseed> {
  const told = new Set<string>();
  for (;;) {
    const status = await read(call, client);
    for (const { machineID, state, units } of status.machines) {
      if (state !== "contributed" || told.has(machineID)) continue;
      told.add(machineID);
      call.say(`Machine ${machineID} has told of ${units} units`);
    }
    if (told.size >= machines || status.state !== "running") return status;
    await sleep(call.clock, pollMs, call.signal);
  }
}

function showMachines(call: Invocation, status: ApiReseed): void {
  if (call.flags.on("json")) {
    call.print(`${JSON.stringify(status, undefined, 2)}\n`);
    return;
  }
  for (const { machineID, state, units, left } of status.machines) {
    const word =
      state === "contributed" ? `${units} units${left.length > 0 ? `, ${left.length} left` : ""}` : "not yet";
    call.print(`${machineID}\t${word}\n`);
  }
}

/** What finishing would stop. */
function losses({ machines, misplaced }: ApiReseed): readonly string[] {
  return [
    ...machines.flatMap(({ machineID, left }) =>
      left.flatMap(({ unit, reason }) =>
        reason === "unreadable" ? [] : [`${unit} on ${machineID}: ${reasons[reason]}`],
      ),
    ),
    ...misplaced.map(({ unit, machineID, text }) => `${unit} on ${machineID}, which ${text}`),
  ];
}

/** What nobody can tell whether it is wanted: it is left alone. */
function spared({ machines }: ApiReseed): readonly string[] {
  return machines.flatMap(({ machineID, left }) =>
    left.flatMap(({ unit, reason }) => (reason === "unreadable" ? [`${unit} on ${machineID}`] : [])),
  );
}

function sayLosses(call: Invocation, status: ApiReseed): void {
  if (status.state !== "running") return;
  sayListed(call, "Once finished, these are stopped where they are:", losses(status));
  if (status.misplaced.length > 0)
    call.say("  Metadata comes back with `fleetctl restore FILE --metadata-only --yes`.");
  sayListed(
    call,
    "What etcd holds under these names cannot be read; they run on until it can be, or is destroyed:",
    spared(status),
  );
}

function sayListed(call: Invocation, heading: string, lines: readonly string[]): void {
  if (lines.length > 0) call.say(heading);
  for (const line of lines.slice(0, maxListed)) call.say(`  ${line}`);
  if (lines.length > maxListed) call.say(`  and ${lines.length - maxListed} more`);
}

async function finish(call: Invocation, client: FleetClient, status: ApiReseed): Promise<number> {
  if (status.state !== "running") return 0;
  const awaited = status.machines.filter(({ state }) => state === "awaited");
  for (const { machineID } of awaited) call.say(`Machine ${machineID} has not told yet what it runs.`);
  // Whoever waits for machines has said --yes to the seeding, and not to what it would stop.
  const confirmed = call.flags.on("yes") && call.flags.on("finish");
  if (!confirmed && (losses(status).length > 0 || awaited.length > 0)) {
    throw new CommandFailure("Not finished: units would be stopped, or machines are missing", {
      hints: ["`fleetctl reseed --finish --yes` finishes all the same."],
    });
  }
  const finished = await wordedAs((reason) => `Error finishing: ${reason}`, client.finishReseed(call.signal));
  call.say(`Finished: ${finished.units} units, and the cluster schedules them again.`);
  return 0;
}
