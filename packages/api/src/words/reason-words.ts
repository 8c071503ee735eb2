import type {
  AssignReason,
  Closed,
  Conflict,
  LeaveReason,
  Obstacle,
  PushObstacle,
  WhyNot,
} from "@fleet/core";

/** A machine as it is named among words. */
export function machineWord(machineId: string): string {
  return `${machineId.slice(0, 8)}...`;
}

/** What is known of a reason besides its word: an event keeps less of it than a plan has. */
export interface ReasonDetails {
  /** The other unit that it is about. */
  readonly peer?: string;
  /** The machine that it is about, if that is another one. */
  readonly machineId?: string;
  /** Of MachineID. */
  readonly required?: string;
  /** Of MachineMetadata; `accepted` are the values of `key`, and `actual` is what the machine has. */
  readonly key?: string;
  readonly accepted?: readonly string[];
  readonly actual?: string | undefined;
  readonly conflict?: Conflict;
  readonly blockedBy?: PushObstacle;
  /** How many units are in the way, if not `peer` alone. */
  readonly units?: number;
  /** Longest an exclusive unit has to wait, once nothing is heard: `121 s`. */
  readonly waitsAtMost?: string;
  /** Units that the chosen machine had. */
  readonly load?: number;
  /** Of an updated assignment. */
  readonly target?: string;
}

export function leaveDetails(reason: LeaveReason): ReasonDetails {
  switch (reason.kind) {
    case "duplicate":
      return { machineId: reason.kept };
    case "conflict":
    case "replaced":
      return { peer: reason.unit };
    case "machine_id":
    case "machine_metadata":
    case "machine_of":
      return reason;
    default:
      return {};
  }
}

export function obstacleDetails(obstacle: Obstacle): ReasonDetails {
  switch (obstacle.cause) {
    case "Conflicts":
      return { peer: obstacle.unit, conflict: obstacle.conflict };
    case "Replaces":
      return { peer: obstacle.unit };
    case "ReplacesBlocked":
      return { peer: obstacle.unit, blockedBy: obstacle.why };
    default:
      return obstacle;
  }
}

/** Why a unit leaves a machine, is given to it anew, or a machine is lost; what goes before is `: `. */
const reasons = {
  destroyed: () => "it is destroyed",
  inactive: () => "it is not to run any more",
  machine_gone: () => "the machine is lost",
  machine_leaving: () => `the machine ${causeWords("leaving", 1)}`,
  machine_id: (details) => `the machine ${causeWords("MachineID", 1, details)}`,
  machine_metadata: (details) => `the machine ${causeWords("MachineMetadata", 1, details)}`,
  duplicate: ({ machineId }) =>
    `it stays on ${machineId === undefined ? "another machine" : machineWord(machineId)} alone`,
  machine_of: (details) => `the machine ${causeWords("MachineOf", 1, details)} any more`,
  conflict: ({ peer = "another unit" }) => `it conflicts with ${peer}`,
  failed: () => "it failed there",
  replaced: ({ peer = "another unit" }) => `${peer} replaces it`,
  content: () => "its unit file has changed",
  target: ({ target = "in another state" }) => `it is to be ${target}`,
  restart: () => "it is restarted",
  repeated: () => "it was asked for again",
  silent: () => "it has not been heard of",
  confirmed: () => "an operator has confirmed it",
} satisfies Record<
  LeaveReason["kind"] | "content" | "target" | "restart" | "repeated" | "silent" | "confirmed",
  Words
>;

/** Why a machine was chosen, said of the machine. */
const choices = {
  least_loaded: ({ load }) =>
    `the one with the fewest units${load === undefined ? "" : ` (${load})`} of those that may run it`,
  global: () => "as on every machine that fits",
  kept: () => "which still has it",
} satisfies Record<AssignReason["kind"], Words>;

type Words = (details: ReasonDetails) => string;

const wordsOfReason: ReadonlyMap<string, Words> = new Map<string, Words>([
  ...Object.entries(choices).map(([word, words]): [string, Words] => [
    word,
    (details) => `, ${words(details)}`,
  ]),
  ...Object.entries(reasons).map(([word, words]): [string, Words] => [
    word,
    (details) => `: ${words(details)}`,
  ]),
]);

/**
 * A reason, as it follows what was or would be done: `: it failed there`, `, as on every machine that fits`. One of a later
 * version is at least its word.
 */
export function becauseWords(reason: string, details: ReasonDetails = {}): string {
  return wordsOfReason.get(reason)?.(details) ?? `: ${reason.replaceAll("_", " ")}`;
}

/** As a cause is named in explanations and events. */
export type CauseWord = Obstacle["cause"] | Closed | Exclude<WhyNot["kind"], "closed" | "unable">;

/** Said of so many machines: `one` tells whether it is a single one. */
type MachineWords = (one: boolean, details: ReasonDetails) => string;

const causes: Readonly<Record<CauseWord, MachineWords>> = {
  no_machine: () => "no machine is present",
  held: (one) => (one ? "still has to stop it" : "still have to stop it"),
  exclusive: (one, details) => `${one ? "has" : "have"} to wait ${exclusiveWords(details)}`,
  leaving: (one) => (one ? "is leaving" : "are leaving"),
  away: (one) => (one ? "is away and may come back" : "are away and may come back"),
  unreadable: (one) => (one ? "has a record that cannot be read" : "have records that cannot be read"),
  gone: (one) => (one ? "is not there any more" : "are not there any more"),
  MachineID: (one, { required }) =>
    `${one ? "is" : "are"} not the machine ${required === undefined ? "" : `${required} `}of its MachineID`,
  MachineMetadata: (one, details) => `${one ? "lacks" : "lack"} ${metadataWords(one, details)}`,
  MachineOf: (one, { peer = "a unit" }) => `${one ? "does" : "do"} not have ${peer} of its MachineOf`,
  Conflicts: conflictWords,
  Replaces: (one, { peer, units = 1 }) => {
    const have = one ? "has" : "have";
    if (peer === undefined) return `${have} a unit that replaces it`;
    return units === 1
      ? `${have} ${peer}, which replaces it`
      : `${have} units that replace it, such as ${peer}`;
  },
  ReplacesBlocked: (one, { peer = "a unit", units = 1, blockedBy }) =>
    `${one ? "has" : "have"} ${units === 1 ? peer : `units such as ${peer}`}, ${blockedWords(blockedBy)}`,
};

const wordsOfCause: ReadonlyMap<string, MachineWords> = new Map(Object.entries(causes));

/** What keeps a unit off so many machines, as what is said of them: "lack region=eu". */
export function causeWords(cause: string, machines: number, details: ReasonDetails = {}): string {
  const one = machines === 1;
  // A cause of a later version is at least its word.
  const text = wordsOfCause.get(cause)?.(one, details);
  return text ?? `${one ? "is" : "are"} out of the question (${cause.replaceAll("_", " ")})`;
}

function metadataWords(one: boolean, { key, accepted, actual }: ReasonDetails): string {
  if (key === undefined) return "the metadata that it asks for";
  if (accepted === undefined) return `the metadata ${key} that it asks for`;
  const has = one && actual !== undefined ? ` (it has ${key}=${actual})` : "";
  return `${accepted.map((value) => `${key}=${value}`).join(" or ")}${has}`;
}

function conflictWords(one: boolean, { peer, conflict, units = 1 }: ReasonDetails): string {
  const verb = one ? "conflicts" : "conflict";
  if (peer === undefined || conflict === undefined || units === 1) return `${verb} with ${peer ?? "it"}`;
  const { declaredBy, glob } = conflict;
  return declaredBy === peer
    ? `${one ? "has" : "have"} units whose Conflicts=${glob} keeps it away, such as ${peer}`
    : `${verb} with units that match ${glob}, such as ${peer}`;
}

function blockedWords(why: PushObstacle | undefined): string {
  switch (why) {
    case undefined:
      return "which it would replace and which cannot go";
    case "nowhere_else":
      return "which it would replace and which can run nowhere else";
    case "unreadable":
      return "which it would replace and whose record cannot be read";
    case "junior_replacer":
      return "which it would replace and which replaces units itself and was changed later";
    case "takes_peer_along":
      return "which it would replace and with which a unit would go that it must run beside";
  }
}

function exclusiveWords({ machineId, waitsAtMost }: ReasonDetails): string {
  const where = machineId === undefined ? "where it may still run" : `on ${machineWord(machineId)}`;
  const most = waitsAtMost === undefined ? "" : `: ${waitsAtMost} at most once nothing is heard from there`;
  return `until it has ended ${where}${most}`;
}

/** Why a unit waits. */
export interface WaitingReason {
  readonly cause: string;
  /** How many machines it keeps out; left out where that is not counted. */
  readonly machines?: number;
  /** Ids of some of them. */
  readonly examples?: readonly string[];
  readonly details?: ReasonDetails;
}

/** A unit that waits, as a sentence without its end. `machines`: how many are present, if that is known. */
export function waitingWords(unit: string, reasons: readonly WaitingReason[], machines?: number): string {
  const [first] = reasons;
  if (first === undefined) return `${unit} waits for a machine`;
  if (first.cause === "no_machine") return `${unit} waits for a machine: none is present`;
  if (first.cause === "exclusive") return `${unit} ${causeWords("exclusive", 1, first.details)}`;
  if (reasons.every(({ cause }) => cause === "held")) {
    const where = reasons.flatMap(({ examples = [] }) => examples).map(machineWord);
    return `${unit} waits until it has been stopped ${where.length === 0 ? "where it was" : `on ${where.join(" and ")}`}`;
  }
  if (machines === undefined) return `${unit} waits for a machine: ${listedWords(reasons, counted)}`;
  if (first.machines === machines) {
    return `${unit} waits for a machine: ${everyOneOf(machines)} ${causeWords(first.cause, machines, first.details)}`;
  }
  return `${unit} waits for a machine: of ${counted(machines)} ${listedWords(reasons)}`;
}

/** `all 3 machines`. */
function everyOneOf(machines: number): string {
  if (machines === 1) return "the only machine";
  return machines === 2 ? "both machines" : `all ${counted(machines)}`;
}

/** `9 lack region=eu, 2 conflict with apache@1.service and 1 is leaving`. `head` makes the first count's text. */
export function listedWords(
  reasons: readonly WaitingReason[],
  head: (machines: number) => string = String,
): string {
  const parts = reasons.map(({ cause, machines, details }, index) => {
    if (machines === undefined) return `some machines ${causeWords(cause, 2, details)}`;
    return `${index === 0 ? head(machines) : machines} ${causeWords(cause, machines, details)}`;
  });
  const last = parts.pop() ?? "";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

export function counted(machines: number): string {
  return `${machines} ${machines === 1 ? "machine" : "machines"}`;
}
