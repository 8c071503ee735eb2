import type { ArgumentKind } from "../cli/commands/command.ts";
import { commands } from "../cli/commands/commands.ts";
import type { Flag } from "../cli/flag.ts";
import { type Candidate, ClusterNames } from "../completion/cluster-names.ts";
import { type CompletionPoint, completionPoint } from "../completion/completion-point.ts";
import { completionScripts } from "../completion/scripts.ts";
import type { Invocation } from "../invocation.ts";

/** Prints what the last word of a command line could become, in the form that the completion scripts read. */
export async function complete(call: Invocation): Promise<number> {
  const point = readPoint(call.args);
  if (point === undefined) return 0;
  const cluster = new ClusterNames(point.flags, call.flags, call.signal);
  const part = point.word.slice(point.kept.length);
  const given = new Set(point.given);
  const candidates = (await candidatesFor(point, cluster))
    .filter(([word]) => word.startsWith(part) && !given.has(word))
    .map(([word, what]) => `${point.kept}${word}${what === "" ? "" : `\t${what}`}\n`);
  call.print(`${takesFiles(point) ? ":files" : ":words"}\n${[...new Set(candidates)].join("")}`);
  return 0;
}

/** Undefined for a command line that fleetctl would refuse: there is nothing to add to it. */
function readPoint(line: readonly string[]): CompletionPoint | undefined {
  try {
    return completionPoint(line);
  } catch {
    return undefined;
  }
}

async function candidatesFor(point: CompletionPoint, cluster: ClusterNames): Promise<readonly Candidate[]> {
  const { wants } = point;
  switch (wants.kind) {
    case "command":
      return commandNames();
    case "flag":
      return wants.flags.map((flag) => [
        flag.kind === "switch" ? `--${flag.name}` : `--${flag.name}=`,
        flag.help,
      ]);
    case "value":
      return await valuesOf(wants.flag, cluster);
    case "argument":
      return (await Promise.all(wants.takes.map((kind) => argumentsOf(kind, wants.takes, cluster)))).flat();
  }
}

function commandNames(): readonly Candidate[] {
  return commands.filter(({ hidden }) => hidden !== true).map(({ name, summary }) => [name, summary]);
}

async function valuesOf(flag: Flag, cluster: ClusterNames): Promise<readonly Candidate[]> {
  const { suggests } = flag;
  if (suggests === "machine") return await cluster.machines();
  if (suggests === "unit") return await cluster.units({ templates: false });
  if (suggests === "file") return [];
  return (flag.choices ?? suggests ?? []).map((value) => [value, ""]);
}

async function argumentsOf(
  kind: ArgumentKind,
  takes: readonly ArgumentKind[],
  cluster: ClusterNames,
): Promise<readonly Candidate[]> {
  switch (kind) {
    case "unit":
      return await cluster.units({ templates: takes.includes("template") });
    case "machine":
      return [...(await cluster.machines()), ...(await cluster.metadata())];
    case "command":
      return commandNames();
    case "shell":
      return Object.keys(completionScripts).map((shell) => [shell, ""]);
    case "template":
    case "file":
      // Templates come with the units, files from the shell.
      return [];
  }
}

function takesFiles({ wants }: CompletionPoint): boolean {
  if (wants.kind === "value") return wants.flag.suggests === "file";
  return wants.kind === "argument" && wants.takes.includes("file");
}
