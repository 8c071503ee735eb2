import type { ClientMachine } from "@fleet/api/client";
import type { TargetState, UnitOption } from "@fleet/core";

/** What there is to be imported. */
export interface ImportSource {
  readonly kind: "cluster" | "directory" | "backup";
  /** Where from, as the user wrote it. */
  readonly from: string;
  readonly units: readonly SourceUnit[];
  /** Units that are there and cannot be read. */
  readonly unreadable: readonly { readonly name: string; readonly problem: string }[];
  /** What lies in the directory and is no unit. */
  readonly skipped: readonly string[];
  /** The machines of the cluster; none for a directory. */
  readonly machines: readonly ClientMachine[];
}

export interface SourceUnit {
  readonly name: string;
  readonly options: readonly UnitOption[];
  /** Target state there. */
  readonly target: TargetState;
}
