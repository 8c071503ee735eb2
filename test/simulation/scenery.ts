/** What the machines and units of a simulated cluster are like. */

const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";

/** What units do once they are started. */
const contents: readonly string[] = [
  sleeper,
  sleeper,
  `${sleeper}ExecStop=/bin/sleep 3\n`,
  `${sleeper}ExecStartPre=/bin/sleep 8\n`,
  "[Service]\nType=oneshot\nExecStart=/bin/true\n",
  "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n",
  "[Service]\nExecStart=/bin/false\n",
  `${sleeper}\n[Install]\nWantedBy=default.target\n`,
];

/** Longest stop of a unit whose jobs were made slow (`faults.ts`). */
export const longestStopMs = 6000;
const bounded = `${sleeper}TimeoutStopSec=${longestStopMs / 1000}\n`;
/** Ordered after units of which some are slow to start: its own start waits for those on its machine. */
const ordered = `[Unit]\nAfter=${Array.from({ length: 18 }, (_, index) => `plain-${index + 1}.service`).join(" ")}\n`;
/** An exclusive unit whose start may have to wait. */
export const startsAfterPlain = `${ordered}${bounded}ExecStop=/bin/sleep 4\n`;
/** Of exclusive units: how long their stop may take is known, and they take from nothing to all of it. */
const boundedContents: readonly string[] = [
  bounded,
  `${bounded}ExecStop=/bin/sleep 1\n`,
  `${bounded}ExecStop=/bin/sleep 6\n`,
  `${bounded}ExecStartPre=/bin/sleep 3\n`,
  startsAfterPlain,
];
/** Of units that are moved when they fail. */
const failingContents: readonly string[] = [
  sleeper,
  "[Service]\nExecStart=/bin/false\n",
  '[Service]\nExecStart=/bin/sh -c "sleep 2; exit 1"\n',
  `${sleeper}ExecStop=/bin/sleep 3\n`,
];

/** What the unit may do once it is started. */
export function contentsFor(unit: string): readonly string[] {
  if (!unit.endsWith(".service")) return contents.slice(0, 1);
  if (isExclusive(unit)) return boundedContents;
  return unit.startsWith("restless") ? failingContents : contents;
}

function numbered(
  count: number,
  name: (number: number) => string,
  xFleet: string,
): (readonly [string, string])[] {
  return Array.from({ length: count }, (_, index) => [name(index + 1), xFleet] as const);
}

/** With an interval that never ends, leaders whose clocks are set differently agree on the count. */
const movesTwice = "RescheduleOnFailure=true\nRescheduleLimitBurst=2\nRescheduleLimitIntervalSec=infinity\n";

/** Sixty units with every kind of requirement; each name always asks the same of its machine. */
export const requirements: readonly (readonly [unit: string, xFleet: string])[] = [
  ...numbered(18, (number) => `plain-${number}.service`, ""),
  ...numbered(5, (number) => `web@${number}.service`, "Conflicts=web@*.service\n"),
  ...numbered(3, (number) => `db@${number}.service`, "Conflicts=db@*.service\nConflicts=batch-*.service\n"),
  ...numbered(4, (number) => `batch-${number}.service`, ""),
  ...numbered(4, (number) => `disk-${number}.service`, "MachineMetadata=disk=ssd\n"),
  ["side@1.service", "MachineOf=web@1.service\n"],
  ["side@2.service", "MachineOf=web@2.service\n"],
  ["side-of-side.service", "MachineOf=side@1.service\n"],
  ["near-db.service", "MachineOf=db@1.service\nConflicts=plain-1.service\n"],
  ["pinned-1.service", `MachineID=${"1".repeat(32)}\n`],
  ["pinned-2.service", `MachineID=${"2".repeat(32)}\n`],
  ["pinned-3.service", `MachineID=${"3".repeat(32)}\nConflicts=plain-2.service\n`],
  ["nowhere.service", `MachineID=${"f".repeat(32)}\n`],
  ["pusher-1.service", "Replaces=plain-1*.service\n"],
  ["pusher-2.service", "Replaces=batch-*.service\nMachineMetadata=disk=hdd\n"],
  ["global-1.service", "Global=true\n"],
  ["global-2.service", "Global=true\n"],
  ["global-disk.service", "Global=true\nMachineMetadata=disk=ssd\n"],
  ["global-beside.service", "Global=true\nConflicts=plain-3.service\n"],
  ["timer-like.timer", ""],
  ["data.socket", ""],
  ...numbered(4, (number) => `only-${number}.service`, "Exclusive=true\n"),
  ["only-disk.service", "Exclusive=true\nMachineMetadata=disk=ssd\n"],
  ["only-restless.service", `Exclusive=true\n${movesTwice}`],
  ["restless-1.service", "RescheduleOnFailure=true\n"],
  ["restless-2.service", movesTwice],
  ["restless-3.service", movesTwice],
  [
    "restless-4.service",
    "RescheduleOnFailure=true\nRescheduleLimitBurst=1\nRescheduleLimitIntervalSec=5min\n",
  ],
];

/** Metadata of each machine. */
export const metadata: readonly Readonly<Record<string, string>>[] = [
  { disk: "ssd" },
  { disk: "hdd" },
  { disk: "ssd" },
  {},
  { disk: "hdd", region: "west" },
  { disk: "ssd", region: "west" },
];

/** A unit file of a unit: one of the contents, and what it always asks of its machine. */
export function unitFile(content: string, xFleet: string): string {
  return `${content}${xFleet === "" ? "" : `\n[X-Fleet]\n${xFleet}`}`;
}

/** Exclusive units can be told by their name. */
export function isExclusive(unit: string): boolean {
  return unit.startsWith("only");
}

/** Global units can be told by their name. */
export function isGlobal(unit: string): boolean {
  return unit.startsWith("global");
}
