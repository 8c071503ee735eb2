import { type JournalEntry, parseUnitFile, requirementsOf, unitHash } from "@fleet/core";
import type { ContributedUnit, LeftReason, LeftUnit } from "@fleet/registry";
import type { Logger } from "@fleet/runtime";
import type { UnitDirectory } from "@fleet/systemd";
import type { Registration } from "./ports.ts";
import type { UnitJournal } from "./unit-journal.ts";

export interface ContributeOptions {
  readonly registration: Registration;
  readonly journal: UnitJournal;
  readonly directory: UnitDirectory;
  readonly logger: Logger;
}

/**
 * Tells a registry that was seeded anew what this machine has, from its journal and its unit files, and makes the
 * journal speak of that registry: nothing that is assigned here afterwards is started or stopped for it.
 *
 * To be called before the orders of the registry are heard. Rejects with what the registry, the journal or the disk
 * fails with; calling it again goes on from there.
 */
export async function contributeUnits(options: ContributeOptions): Promise<void> {
  const { registration, journal, logger } = options;
  const contribution = registration.contribution();
  const left: LeftUnit[] = [];
  let units = 0;
  // One by one: each is a transaction of its own, and one machine in hundreds must not keep etcd busy alone.
  for (const entry of [...journal.entries.values()]) {
    // What is being taken down goes on being taken down.
    if (entry.phase === "unloading") continue;
    const unit = await read(entry, options);
    const outcome = typeof unit === "string" ? unit : await contribution.add(unit);
    if (typeof outcome !== "string" && outcome.outcome === "contributed") {
      units += 1;
      await adopt(entry, outcome.generation, journal);
      continue;
    }
    const reason = typeof outcome === "string" ? outcome : outcome.reason;
    left.push({ unit: entry.unit, reason });
    logger.warn("unit_not_contributed", { unit: entry.unit, reason });
    await adopt(entry, entry.generation, journal);
  }
  await contribution.report({ units, left });
  logger.info("units_contributed", { units, left: left.length });
}

async function read(
  entry: JournalEntry,
  { directory }: ContributeOptions,
): Promise<ContributedUnit | LeftReason> {
  const text = await directory.read(entry.unit);
  if (text === undefined) return "file_missing";
  const file = parseUnitFile(text);
  if (!file.ok || unitHash(file.value) !== entry.hash) return "file_changed";
  const { global, exclusive } = requirementsOf(entry.unit, file.value);
  return {
    name: entry.unit,
    options: file.value,
    hash: entry.hash,
    target: entry.launched || entry.fenced ? "launched" : "loaded",
    // One that was being loaded has no intent carried out yet.
    generation: Math.max(1, entry.generation),
    isGlobal: global,
    ...(exclusive === undefined ? {} : { exclusive }),
  };
}

/**
 * Another machine may have told of the same intent under another generation. Restarts are numbered by revisions, which
 * began anew: a number of before could hide the next one.
 */
async function adopt(entry: JournalEntry, generation: number, journal: UnitJournal): Promise<void> {
  const carriedOut = entry.generation === 0 ? 0 : generation;
  if (entry.generation === carriedOut && entry.restart === undefined && entry.restarting === undefined)
    return;
  const { restart: _, restarting: __, ...rest } = entry;
  await journal.put({ ...rest, generation: carriedOut });
}
