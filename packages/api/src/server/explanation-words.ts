import {
  type Cause,
  exclusiveWaitMs,
  type Placement,
  parseUnitName,
  type UnitExplanation,
  type WhyNot,
} from "@fleet/core";
import type { ApiExplanation } from "../contract/explanation.ts";
import {
  becauseWords,
  type CauseWord,
  causeWords,
  counted,
  listedWords,
  machineWord,
  obstacleDetails,
  type ReasonDetails,
  type WaitingReason,
  waitingWords,
} from "../words/reason-words.ts";
import { remedyOf } from "./remedy-words.ts";

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
  const reasons = toldCauses.map((cause) => reasonOf(cause, agentTtlMs));
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
    causes: reasons.map(({ cause, machines, examples, details }) => ({
      cause,
      machines,
      examples: [...examples],
      text: causeWords(cause, machines, details),
    })),
    ...(waits && nearest !== undefined
      ? {
          nearest: {
            machineID: nearest.machineId,
            obstacles: nearest.obstacles.map((obstacle) =>
              causeWords(obstacle.cause, 1, obstacleDetails(obstacle)),
            ),
          },
        }
      : {}),
    remedies: waits ? [...remediesOf(explanation)] : [],
    summary: isTemplate
      ? `${unit} is a template: its instances are what is placed.`
      : summaryOf(explanation, reasons),
  };
}

/** What keeps a unit that is on its machine off the others is of no interest, unless it is to be on all. */
function toldAbout({ verdict, requirements }: UnitExplanation): boolean {
  return verdict === "waiting" || requirements?.global === true;
}

interface Reason extends WaitingReason {
  readonly machines: number;
  readonly examples: readonly string[];
}

function reasonOf({ why, machines, examples }: Cause, agentTtlMs: number | undefined): Reason {
  return { cause: causeWord(why), machines, examples, details: detailsOf(why, agentTtlMs) };
}

function causeWord(why: WhyNot): CauseWord {
  if (why.kind === "closed") return why.why;
  return why.kind === "unable" ? why.obstacle.cause : why.kind;
}

function detailsOf(why: WhyNot, agentTtlMs: number | undefined): ReasonDetails {
  if (why.kind === "unable") return { ...obstacleDetails(why.obstacle), units: why.units };
  if (why.kind !== "exclusive") return {};
  const { machineId, stopMs = 0 } = why;
  const waitsAtMost =
    agentTtlMs === undefined
      ? `agent_ttl and ${Math.ceil(stopMs / 1000)} s`
      : `${Math.ceil(exclusiveWaitMs(stopMs, agentTtlMs) / 1000)} s`;
  return { waitsAtMost, ...(machineId === undefined ? {} : { machineId }) };
}

function placementText(explanation: UnitExplanation, { machineId, verdict }: Placement): string {
  const where = machineWord(machineId);
  if (verdict.kind === "closed") return `${where} ${causeWords(verdict.why, 1)}`;
  if (verdict.kind === "unable") {
    const { obstacle } = verdict;
    return `${where} does not fit any more: it ${causeWords(obstacle.cause, 1, obstacleDetails(obstacle))}`;
  }
  const { requirements, able } = explanation;
  if (requirements === undefined)
    return `on ${where}; its unit file cannot be read, and nothing is decided about it`;
  if (requirements.global) return `on ${where}${becauseWords("global")}`;
  if (requirements.machineId !== undefined) return `on ${where}, which its MachineID asks for`;
  if (requirements.machineOf.length > 0) {
    return `on ${where}, beside ${requirements.machineOf.join(" and ")}, which its MachineOf asks for`;
  }
  if (able === undefined) return `on ${where}, the only machine that may run it`;
  return `on ${where}${becauseWords("least_loaded")} when it was placed; now ${able.machines + 1} may`;
}

function summaryOf(explanation: UnitExplanation, reasons: readonly Reason[]): string {
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
      return `${unit} is on ${placements.length} of ${counted(machines)}${rest(reasons)}.`;
    }
    case "waiting":
      return waitingText(explanation, reasons);
  }
}

function waitingText({ unit, machines, able }: UnitExplanation, reasons: readonly Reason[]): string {
  if (able !== undefined) {
    const others = able.machines === 1 ? "" : ` and ${able.machines - 1} more`;
    return `${unit} is about to be placed: ${machineWord(able.machineId)}${others} may run it, and only the engine's plan is waited for.`;
  }
  return `${waitingWords(unit, reasons, machines)}.`;
}

function rest(reasons: readonly Reason[]): string {
  return reasons.length === 0 ? "" : `: ${listedWords(reasons)}`;
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
