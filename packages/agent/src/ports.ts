import type { JournalEntry, UnitOption } from "@fleet/core";
import type {
  ChangeBatch,
  FollowObserver,
  RegisterOutcome,
  Registration,
  RegistrationRequest,
} from "@fleet/registry";

/** The part of the registry an agent uses. */
export interface AgentRegistry {
  readonly guard: {
    /** See ClusterGuard. */
    readonly owesUnits: boolean;
    open(signal: AbortSignal): Promise<void>;
    unitsContributed(): Promise<void>;
  };
  readonly registrations: {
    register(request: RegistrationRequest, signal: AbortSignal): Promise<RegisterOutcome>;
  };
  followMachine(
    machineId: string,
    signal: AbortSignal,
    observer?: FollowObserver,
  ): AsyncIterable<ChangeBatch>;
  body(hash: string): Promise<readonly UnitOption[] | undefined>;
}

export type { Registration };

/** Survives the agent's restart, not the machine's: the files and jobs it speaks of do not either. */
export interface JournalStore {
  load(): Promise<readonly JournalEntry[]>;
  /** Resolves when the entry would survive a crash of the agent. */
  put(entry: JournalEntry): Promise<void>;
  remove(unit: string): Promise<void>;
}
