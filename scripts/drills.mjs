// What `npm run drill` knows: name (of test/drills/<name>.test.ts) → what it takes, and what is done to the cluster.

/** @type {ReadonlyMap<string, { full: boolean, line: string }>} full: it takes full machines, which take root */
export const DRILLS = new Map([
  ["etcd-quorum-lost", { full: true, line: "two of etcd's three members gone for 60 s under 30 units" }],
  [
    "etcd-member-slow",
    { full: true, line: "one of etcd's members frozen for 30 s, leader or not; all replaced in turn" },
  ],
  ["registry-wiped", { full: true, line: "all keys deleted from etcd under 30 units, and seeded anew" }],
  ["leader-killed", { full: true, line: "the leader's fleetd killed in the middle of placing 200 units" }],
  [
    "machine-partitioned",
    { full: true, line: "a machine without network for three times agent_ttl, also with fleetd killed" },
  ],
  ["power-cut", { full: true, line: "a machine loses power, and has it again" }],
  ["flapping", { full: true, line: "a machine lost and back 24 times in a row" }],
  ["machine-id-twice", { full: true, line: "a second machine with the machine-id of another" }],
  ["slow-exec-stop", { full: true, line: "ExecStop of 8 s: on stop, destroy, a move, and fleetd's own end" }],
  [
    "exclusive",
    { full: false, line: "machines with exclusive units cut off from etcd, fleetd alive, killed, frozen" },
  ],
  ["etcd-full", { full: false, line: "etcd has no space left" }],
  ["full-disk", { full: false, line: "the units directory full, or read-only" }],
  ["systemd-hung", { full: false, line: "systemd, or its bus, frozen" }],
  ["hostile-clients", { full: false, line: "floods, slow and broken requests at the API" }],
  ["many-pending", { full: false, line: "10 000 units that no machine can run" }],
  ["soak", { full: false, line: "10 000 unit changes and 200 broken connections: memory and handles" }],
]);

/**
 * What is to be played, as the arguments say. `list`: nothing was named. `unknown`: names that are none. What begins
 * with "-" is for vitest.
 *
 * @param {readonly string[]} args
 * @returns {{ list: boolean, unknown: readonly string[], names: readonly string[], options: readonly string[] }}
 */
export function chosenDrills(args) {
  const options = args.filter((arg) => arg.startsWith("-"));
  const named = args.filter((arg) => !arg.startsWith("-"));
  const unknown = named.filter((name) => name !== "all" && !DRILLS.has(name));
  const names = named.includes("all") ? [...DRILLS.keys()] : [...new Set(named)];
  return { list: named.length === 0, unknown, names, options };
}

/** One line for each drill. */
export function drillList() {
  return [...DRILLS].map(([name, { line }]) => `  ${name.padEnd(20)} ${line}\n`).join("");
}
