import type { CommandName } from "./cli/commands/command.ts";
import type { Verb } from "./invocation.ts";

/** Loads the implementation of a command, and of no other: a command line should start at once. */
export function loadVerb(name: CommandName): Promise<Verb> {
  return loaders[name]();
}

const loaders: Readonly<Record<CommandName, () => Promise<Verb>>> = {
  __complete: async () => (await import("./verbs/complete.ts")).complete,
  backup: async () => (await import("./verbs/backup.ts")).backup,
  cat: async () => (await import("./verbs/cat.ts")).cat,
  completion: async () => (await import("./verbs/completion.ts")).completion,
  "confirm-loss": async () => (await import("./verbs/confirm-loss.ts")).confirmLoss,
  destroy: async () => (await import("./verbs/destroy.ts")).destroy,
  events: async () => (await import("./verbs/events.ts")).events,
  explain: async () => (await import("./verbs/explain.ts")).explain,
  "fd-forward": async () => (await import("./verbs/fd-forward.ts")).fdForward,
  help: async () => (await import("./verbs/help.ts")).help,
  import: async () => (await import("./verbs/import.ts")).importUnits,
  journal: async () => (await import("./verbs/journal.ts")).journal,
  "list-machines": async () => (await import("./verbs/list-machines.ts")).listMachines,
  "list-unit-files": async () => (await import("./verbs/list-unit-files.ts")).listUnitFiles,
  "list-units": async () => (await import("./verbs/list-units.ts")).listUnits,
  load: async () => (await import("./verbs/load.ts")).load,
  man: async () => (await import("./verbs/man.ts")).man,
  plan: async () => (await import("./verbs/plan.ts")).plan,
  reseed: async () => (await import("./verbs/reseed.ts")).reseed,
  restart: async () => (await import("./verbs/restart.ts")).restart,
  restore: async () => (await import("./verbs/restore.ts")).restore,
  ssh: async () => (await import("./verbs/ssh.ts")).ssh,
  start: async () => (await import("./verbs/start.ts")).start,
  status: async () => (await import("./verbs/status.ts")).status,
  stop: async () => (await import("./verbs/stop.ts")).stop,
  submit: async () => (await import("./verbs/submit.ts")).submit,
  unload: async () => (await import("./verbs/unload.ts")).unload,
  verify: async () => (await import("./verbs/verify.ts")).verify,
  version: async () => (await import("./verbs/version.ts")).version,
};
