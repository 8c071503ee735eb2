import {
  type ExclusiveHold,
  no,
  ok,
  type Reschedule,
  type RestartOutcome,
  type RestartProgress,
  type Result,
  type Settled,
  type TargetState,
  unknownMachine,
} from "@fleet/core";
import { z } from "zod";

/** Identity of the cluster, written once by the first fleetd ever. */
export interface ClusterRecord {
  readonly id: string;
  /** Data format of everything below the prefix. */
  readonly format: number;
  /** How often the store was seeded anew, counted from 1; 1 when left out. */
  readonly epoch?: number;
  /** Machines are telling what they run: nobody leads before its operator says that they all have. */
  readonly reseeding?: boolean;
}

/** A unit file, stored once per content. */
export interface BodyRecord {
  /** The serialised unit file. */
  readonly text: string;
}

/** What the user wants of a unit. */
export interface UnitRecord {
  readonly hash: string;
  readonly target: TargetState;
  /** See `Unit.generation`. */
  readonly generation: number;
  /** See `Unit.retryOf`. */
  readonly retryOf?: number;
}

/** Presence of a machine, on its lease. */
export interface MachineRecord {
  readonly id: string;
  /** Random, kept by the agent across restarts: tells a restarted agent from a second machine of the same id. */
  readonly token: string;
  /** Empty when unknown. */
  readonly publicIp: string;
  /** Configured metadata; what was set through the API lies over it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The agent is unloading everything in order to leave. */
  readonly leaving: boolean;
  /** Data formats this fleetd can read. */
  readonly formats: readonly number[];
  readonly version: string;
}

/** Metadata set through the API, or a tombstone that hides a configured key. */
export type MetadataRecord = { readonly value: string } | { readonly removed: true };

/** The engine's order to one machine. */
export interface AssignmentRecord {
  readonly hash: string;
  readonly target: "loaded" | "launched";
  readonly generation: number;
  /** See `Unit.retryOf`. */
  readonly retryOf?: number;
  /** Units that must be gone from this machine before this one may be loaded (Replaces). */
  readonly awaits: readonly string[];
  /** See `Assignment.restart`. */
  readonly restart?: number;
  /** See `Assignment.rescheduled`. */
  readonly rescheduled?: number;
}

/** The registration the engine has fully taken into account in the machine's assignments. */
export type SettledRecord = Settled;

/** What an agent publishes about one unit, on its machine's lease. */
export interface StateRecord {
  readonly hash: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly launched: boolean;
  /** Why systemd would not take the unit or start it, if so. */
  readonly problem?: string;
  /** The restart last carried out: the states above are of what it began. */
  readonly restart?: RestartOutcome;
}

/** A request to restart units. Its create revision is its number, see `Restart`. */
export interface RestartRecord extends RestartProgress {
  readonly units: readonly string[];
  readonly parallel: number;
}

/** Machines that vanished at the same time, so many that the engine does not place elsewhere what they ran. */
export interface MassLossRecord {
  /** When it was noticed, in milliseconds since 1970 by the engine's clock. */
  readonly atMs: number;
  /** How many machines had vanished in all, back again or not. */
  readonly vanished: number;
  /** How many machines there had been. */
  readonly of: number;
  /** Ids of those that are held for: away, and not confirmed as lost. Sorted. */
  readonly machines: readonly string[];
}

/** Machines that somebody has said are lost: the engine places elsewhere what they ran. */
export interface ConfirmedLossesRecord {
  readonly machines: readonly string[];
}

/** Why a unit waits, as one word, and how many machines that keeps out; left out where it is about none. */
export interface WaitingCause {
  readonly cause: string;
  readonly machines?: number;
}

/**
 * Something that an engine has decided or noticed. Kinds and reasons are any words: those of a later version are not known
 * here.
 */
export interface EventRecord {
  readonly kind: string;
  readonly unit?: string;
  /** Of a move: where to. */
  readonly machineId?: string;
  readonly fromMachineId?: string;
  readonly reason?: string;
  /** Another unit that the reason is about. */
  readonly peer?: string;
  /** Target state of an updated assignment. */
  readonly target?: string;
  readonly causes?: readonly WaitingCause[];
  /** Machines that vanished at once, of how many. */
  readonly vanished?: number;
  readonly of?: number;
  /** How many events there was no room for. */
  readonly count?: number;
}

/** What happened in a short while, in order. */
export interface EventsRecord {
  /** In milliseconds since 1970 by the engine's clock. */
  readonly atMs: number;
  readonly events: readonly EventRecord[];
}

/** What a machine has told of its units since the store was seeded anew. */
export interface ContributionRecord {
  readonly machineId: string;
  /** Units that are in the registry on this machine's word, or that it runs by the word of another. */
  readonly units: number;
  /** Units on this machine that the registry does not know of there: once an engine leads, and can read them, they are unloaded. */
  readonly left: readonly LeftUnit[];
}

/**
 * Why a unit was not taken: `other_content` another machine has told of another unit file under that name;
 * `other_target` it told of another target state; `duplicate` it runs there as well, and is not global;
 * `file_missing`, `file_changed` the unit file on disk is gone, or not the one that fleet wrote; `unreadable` what is in
 * the registry under its name cannot be read.
 */
export type LeftReason =
  | "other_content"
  | "other_target"
  | "duplicate"
  | "file_missing"
  | "file_changed"
  | "unreadable";

export interface LeftUnit {
  readonly unit: string;
  readonly reason: LeftReason;
}

/** Who leads, on its engine's lease. */
export interface LeaderRecord {
  readonly machineId: string;
}

/** The data formats this build reads. It writes the cluster's, which rises when all machines read a later one: see DataFormat. */
export const readableFormats: readonly number[] = [1];

/** Version of each value's shape. A reader that meets another one reports the value instead of guessing. */
const recordVersion = 1;

/** How one kind of value is written and read. Unknown fields survive reading and writing back. */
export interface Codec<Value> {
  encode(value: Value): string;
  /** The problem is one line and quotes nothing of the value. */
  decode(text: string): Result<Value, string>;
}

/** Made once: a schema is compiled at its first use, and an engine reads every record of the cluster. */
function codec<Value extends object>(schema: z.ZodType<Value>): Codec<Value> {
  const decode = (text: string): Result<Value, string> => {
    const json = parseJson(text);
    if (!json.ok) return json;
    if (!isOfThisVersion(json.value)) return no(`not a record of version ${recordVersion}`);
    const record = schema.safeParse(json.value);
    return record.success ? ok(record.data) : no(issueSummary(record.error));
  };
  // Instances of one template have the same records one after the other, and then share one: nobody changes a record.
  let last: { readonly text: string; readonly result: Result<Value, string> } | undefined;
  return {
    encode: (value) => JSON.stringify({ v: recordVersion, ...value }),
    decode: (text) => {
      if (last?.text !== text) last = { text, result: decode(text) };
      return last.result;
    },
  };
}

/** Looked up by hand: a leader decodes hundreds of thousands of records before it decides anything. */
function isOfThisVersion(json: unknown): boolean {
  return typeof json === "object" && json !== null && "v" in json && json.v === recordVersion;
}

function parseJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return no("not JSON");
  }
}

function issueSummary(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "invalid" : `${issue.path.join(".") || "value"}: ${issue.message}`;
}

const hash = z.string().regex(/^[0-9a-f]{40}$/, "not a hash");
const revision = z.number().int().positive();

export const clusterCodec: Codec<ClusterRecord> = codec(
  z.looseObject({
    id: z.string().min(1),
    format: z.number().int().positive(),
    epoch: revision.exactOptional(),
    reseeding: z.boolean().exactOptional(),
  }),
);

export const bodyCodec: Codec<BodyRecord> = codec(z.looseObject({ text: z.string() }));

export const unitCodec: Codec<UnitRecord> = codec(
  z.looseObject({
    hash,
    target: z.enum(["inactive", "loaded", "launched"]),
    generation: revision,
    retryOf: revision.exactOptional(),
  }),
);

export const machineCodec: Codec<MachineRecord> = codec(
  z.looseObject({
    id: z.string().min(1),
    token: z.string().min(1),
    publicIp: z.string(),
    metadata: z.record(z.string(), z.string()),
    leaving: z.boolean(),
    formats: z.array(z.number().int()),
    version: z.string(),
  }),
);

export const metadataCodec: Codec<MetadataRecord> = codec(
  z.union([z.looseObject({ value: z.string() }), z.looseObject({ removed: z.literal(true) })]),
);

export const assignmentCodec: Codec<AssignmentRecord> = codec(
  z.looseObject({
    hash,
    target: z.enum(["loaded", "launched"]),
    generation: revision,
    retryOf: revision.exactOptional(),
    awaits: z.array(z.string()),
    restart: revision.exactOptional(),
    rescheduled: revision.exactOptional(),
  }),
);

export const settledCodec: Codec<SettledRecord> = codec(
  z.looseObject({
    registration: revision,
    spared: z.union([z.array(z.string()), z.literal("all")]).exactOptional(),
  }),
);

export const stateCodec: Codec<StateRecord> = codec(
  z.looseObject({
    hash,
    load: z.string(),
    active: z.string(),
    sub: z.string(),
    launched: z.boolean(),
    problem: z.string().exactOptional(),
    restart: z.looseObject({ number: revision, refused: z.string().exactOptional() }).exactOptional(),
  }),
);

export const restartCodec: Codec<RestartRecord> = codec(
  z.looseObject({
    units: z.array(z.string()),
    parallel: z.number().int().positive(),
    state: z.enum(["running", "done", "failed"]),
    steps: z.array(
      z.looseObject({
        unit: z.string(),
        machineId: z.string().exactOptional(),
        state: z.enum(["restarting", "done", "failed", "skipped"]),
        message: z.string().exactOptional(),
      }),
    ),
    message: z.string().exactOptional(),
  }),
);

export const massLossCodec: Codec<MassLossRecord> = codec(
  z.looseObject({
    atMs: z.number().int().nonnegative(),
    vanished: z.number().int().positive(),
    of: z.number().int().positive(),
    machines: z.array(z.string()),
  }),
);

export const confirmedLossesCodec: Codec<ConfirmedLossesRecord> = codec(
  z.looseObject({ machines: z.array(z.string()) }),
);

export const eventsCodec: Codec<EventsRecord> = codec(
  z.looseObject({
    atMs: z.number().int().nonnegative(),
    events: z.array(
      z.looseObject({
        kind: z.string(),
        unit: z.string().exactOptional(),
        machineId: z.string().exactOptional(),
        fromMachineId: z.string().exactOptional(),
        reason: z.string().exactOptional(),
        peer: z.string().exactOptional(),
        target: z.string().exactOptional(),
        causes: z
          .array(z.looseObject({ cause: z.string(), machines: z.number().exactOptional() }))
          .exactOptional(),
        vanished: z.number().exactOptional(),
        of: z.number().exactOptional(),
        count: z.number().exactOptional(),
      }),
    ),
  }),
);

export const contributionCodec: Codec<ContributionRecord> = codec(
  z.looseObject({
    machineId: z.string().min(1),
    units: z.number().int().nonnegative(),
    left: z.array(
      z.looseObject({
        unit: z.string(),
        reason: z.enum([
          "other_content",
          "other_target",
          "duplicate",
          "file_missing",
          "file_changed",
          "unreadable",
        ]),
      }),
    ),
  }),
);

export const exclusiveHoldCodec: Codec<ExclusiveHold> = codec(
  z.looseObject({ machineId: z.string().min(1), registration: revision, stopMs: z.number().positive() }),
);

/** Some machine may be running the unit, nobody knows which: an engine waits for it as for one that is silent. */
export function heldSomewhere(stopMs: number): ExclusiveHold {
  return { machineId: unknownMachine, registration: 1, stopMs };
}

export const rescheduleCodec: Codec<Reschedule> = codec(
  z.looseObject({
    generation: revision,
    order: revision,
    moves: z.array(z.looseObject({ machineId: z.string(), atMs: z.number() })),
  }),
);

export const leaderCodec: Codec<LeaderRecord> = codec(z.looseObject({ machineId: z.string().min(1) }));
