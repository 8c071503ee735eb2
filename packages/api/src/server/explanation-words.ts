import {
  type Cause,
  exclusiveWaitMs,
  type Placement,
  parseUnitName,
  type UnitExplanation,
  type WhyNot,
} from "@fleet/core";
import type { ApiCause, ApiExplanation } from "../contract/explanation.ts";
import { closedWords, obstacleWords } from "./obstacle-words.ts";
import { machineWord, remedyOf } from "./remedy-words.ts";

/** Causes told; there are hardly ever more, and nobody reads on. */
const mostCauses = 20;

/** An explanation as people and programs read it. `agentTtlMs`: left out where it is not known. */
export function shownExplanation(explanation: UnitExplanation, agentTtlMs?: number): ApiExplanation {
  const { unit, target, machines, nearest } = explanation;
  const isTemplate = parseUnitName(unit).ok && unit.includes("@.");
  const verdict = isTemplate
    ? "template"
    : explanation.verdict === "unreadable"
      ? "waiting"
      : explanation.verdict;
  const toldCauses = toldAbout(explanation) ? explanation.causes.slice(0, mostCauses) : [];
  const causes = toldCauses.map((cause) => shownCause(cause, agentTtlMs));
  const waits = explanation.verdict === "waiting";
  return {
    unit,
    // Of a record that cannot be read nothing is known; nothing is done about it either.
    desiredState: target ?? "inactive",
    verdict,
    machines,
    placements: explanation.placements.map((placement) => ({
      machineID: placement.machineId,
      fits: placement.verdict.kind === "able",
      text: placementText(explanation, placement),
    })),
    causes,
    ...(waits && nearest !== undefined
      ? {
          nearest: {
            machineID: nearest.machineId,
            obstacles: nearest.obstacles.map((obstacle) => obstacleWords(obstacle, 1)),
          },
        }
      : {}),
    remedies: waits ? [...remediesOf(explanation)] : [],
    summary: isTemplate
      ? `${unit} is a template: its instances are what is placed.`
      : summaryOf(explanation, causes),
  };
}

/** What keeps a unit that is on its machine off the others is of no interest, unless it is to be on all. */
function toldAbout({ verdict, requirements }: UnitExplanation): boolean {
  return verdict === "waiting" || requirements?.global === true;
}

function shownCause({ why, machines, examples }: Cause, agentTtlMs: number | undefined): ApiCause {
  return {
    cause: causeWord(why),
    machines,
    examples: [...examples],
    text: causeText(why, machines, agentTtlMs),
  };
}

function causeWord(why: WhyNot): string {
  if (why.kind === "closed") return why.why;
  return why.kind === "unable" ? why.obstacle.cause : why.kind;
}

function causeText(why: WhyNot, machines: number, agentTtlMs: number | undefined): string {
  const one = machines === 1;
  switch (why.kind) {
    case "no_machine":
      return "no machine is present";
    case "held":
      return one ? "still has to stop it" : "still have to stop it";
    case "exclusive":
      return `${one ? "has" : "have"} to wait ${exclusiveText(why, agentTtlMs)}`;
    case "closed":
      return closedWords(why.why, machines);
    case "unable":
      return obstacleWords(why.obstacle, machines, why.units);
  }
}

function exclusiveText(
  { machineId, stopMs }: Extract<WhyNot, { kind: "exclusive" }>,
  agentTtlMs: number | undefined,
): string {
  const where = machineId === undefined ? "where it may still run" : `on ${machineWord(machineId)}`;
  const stop = Math.ceil((stopMs ?? 0) / 1000);
  const most =
    agentTtlMs === undefined
      ? `agent_ttl and ${stop} s`
      : `${Math.ceil(exclusiveWaitMs(stopMs ?? 0, agentTtlMs) / 1000)} s`;
  return `until it has ended ${where}: ${most} at most once nothing is heard from there`;
}

function placementText(explanation: UnitExplanation, { machineId, verdict }: Placement): string {
  const where = machineWord(machineId);
  if (verdict.kind === "closed") return `${where} ${closedWords(verdict.why, 1)}`;
  if (verdict.kind === "unable")
    return `${where} does not fit any more: it ${obstacleWords(verdict.obstacle, 1)}`;
  const { requirements, able } = explanation;
  if (requirements === undefined)
    return `on ${where}; its unit file cannot be read, and nothing is decided about it`;
  if (requirements.global) return `on ${where}, as on every machine that fits`;
  if (requirements.machineId !== undefined) return `on ${where}, which its MachineID asks for`;
  if (requirements.machineOf.length > 0) {
    return `on ${where}, beside ${requirements.machineOf.join(" and ")}, which its MachineOf asks for`;
  }
  if (able === undefined) return `on ${where}, the only machine that may run it`;
  return `on ${where}, one of ${able.machines + 1} machines that may run it: the one with the fewest units when it was placed`;
}

function summaryOf(explanation: UnitExplanation, causes: readonly ApiCause[]): string {
  const { unit, verdict, placements, machines, requirements } = explanation;
  switch (verdict) {
    case "unreadable":
      return `Nothing is decided about ${unit}: its record or its unit file cannot be read.`;
    case "inactive":
      return `${unit} is not to run: its target state is inactive.`;
    case "placed": {
      const [first] = explanation.placements;
      if (requirements?.global !== true && first !== undefined && placements.length === 1) {
        return `${unit} is ${first.verdict.kind === "able" ? "" : "placed, but "}${placementText(explanation, first)}.`;
      }
      return `${unit} is on ${placements.length} of ${counted(machines)}${rest(causes)}.`;
    }
    case "waiting":
      return waitingText(explanation, causes);
  }
}

function waitingText({ unit, machines, able }: UnitExplanation, causes: readonly ApiCause[]): string {
  if (able !== undefined) {
    const others = able.machines === 1 ? "" : ` and ${able.machines - 1} more`;
    return `${unit} is about to be placed: ${machineWord(able.machineId)}${others} may run it, and only the engine's plan is waited for.`;
  }
  const [only] = causes;
  if (only?.cause === "no_machine") return `${unit} waits for a machine: none is present.`;
  if (only?.cause === "held") {
    return `${unit} waits until it has been stopped on ${only.examples.map(machineWord).join(" and ")}.`;
  }
  const all = everyOneOf(machines);
  if (only?.cause === "exclusive") return `${unit} waits: ${all} ${only.text}.`;
  if (only?.machines === machines) return `${unit} waits for a machine: ${all} ${only.text}.`;
  return `${unit} waits for a machine: of ${counted(machines)} ${listed(causes)}.`;
}

/** `all 3 machines`. */
function everyOneOf(machines: number): string {
  if (machines === 1) return "the only machine";
  return machines === 2 ? "both machines" : `all ${counted(machines)}`;
}

function rest(causes: readonly ApiCause[]): string {
  return causes.length === 0 ? "" : `: ${listed(causes)}`;
}

/** `9 lack region=eu, 2 conflict with apache@1.service and 1 is leaving`. */
function listed(causes: readonly ApiCause[]): string {
  const parts = causes.map(({ machines, text }) => `${machines} ${text}`);
  const last = parts.pop() ?? "";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

function counted(machines: number): string {
  return `${machines} ${machines === 1 ? "machine" : "machines"}`;
}

/** What lets it onto the nearest machine, then, for every other cause that is the only one somewhere, what removes that. */
function remediesOf({ nearest, causes, able }: UnitExplanation): ReadonlySet<string> {
  if (able !== undefined) return new Set();
  const joint = nearest?.obstacles.map((obstacle) => remedyOf(obstacle, nearest.machineId)).join(", and ");
  const remedies = new Set(joint === undefined ? [] : [joint]);
  for (const { why, examples, obstacles } of causes.slice(0, mostCauses)) {
    if (why.kind === "no_machine") remedies.add("start fleetd on a machine");
    const [machineId = ""] = examples;
    const only = obstacles?.length === 1 ? obstacles[0] : undefined;
    if (only !== undefined && machineId !== nearest?.machineId) remedies.add(remedyOf(only, machineId));
  }
  return remedies;
}
