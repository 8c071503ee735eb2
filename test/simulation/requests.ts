import type { TargetState } from "@fleet/core";
import { errorCode, errorMessage, type Random } from "@fleet/runtime";
import { contentsFor, requirements, unitFile } from "./scenery.ts";
import { pick } from "./seeded-random.ts";
import type { SimulatedCluster } from "./simulated-cluster.ts";

/** What an action says that found nothing to do. */
export const nothing = "nothing";

/** Something that happens in a run. Its answer says, for the trace, to what. */
export interface Action {
  /** How often it comes up, relative to the others. */
  readonly weight: number;
  readonly name: string;
  readonly act: () => Promise<string> | string;
}

const targets: readonly TargetState[] = ["launched", "launched", "launched", "loaded", "inactive"];

/** What users ask for. */
export function requests(cluster: SimulatedCluster, random: Random): readonly Action[] {
  const ask = async (): Promise<string> => {
    const [unit, xFleet] = pick(random, requirements);
    const target = pick(random, targets);
    const isNew = !cluster.acknowledged.has(unit) || random() < 0.2;
    const text = unitFile(pick(random, contentsFor(unit)), xFleet);
    const problem = await refusal(cluster.ask(unit, target, isNew ? text : undefined));
    if (problem !== undefined) return `${unit}: ${problem}`;
    return `${unit} ${target}${isNew ? " with new content" : ""}`;
  };
  /** While everybody still deals with the first, the second is asked for: nothing of either may get lost. */
  const changeAndBack = async (): Promise<string> => {
    if (cluster.acknowledged.size === 0) return nothing;
    const [unit, { text, target }] = pick(random, [...cluster.acknowledged]);
    const xFleet = requirements.find(([name]) => name === unit)?.[1] ?? "";
    const other = unitFile(pick(random, contentsFor(unit)), xFleet);
    const problem = await refusal(cluster.ask(unit, target, other));
    if (problem !== undefined) return problem;
    const betweenMs = random() * 25;
    await cluster.clock.advance(betweenMs);
    await refusal(cluster.ask(unit, target, text));
    return `${unit}, and back after ${betweenMs.toFixed(0)} ms`;
  };
  const destroy = async (): Promise<string> => {
    const [unit] = pick(random, requirements);
    const problem = await refusal(cluster.destroy(unit));
    return problem ?? unit;
  };
  const restart = async (): Promise<string> => {
    const candidates = [...cluster.acknowledged].filter(([, { target }]) => target !== "inactive");
    const units = candidates.map(([unit]) => unit).filter(() => random() < 0.2);
    const parallel = random() < 0.6 ? 1 : 2;
    if (units.length === 0) return nothing;
    const problem = await refusal(cluster.restart(units, parallel));
    return problem ?? `${units.join(" ")}, ${parallel} at a time`;
  };
  const cancel = async (): Promise<string> => {
    const [oldest] = cluster.rows("restarts/").filter(({ value }) => value.includes('"running"'));
    if (oldest === undefined) return nothing;
    return (await refusal(cluster.cancelRestart(oldest.key))) ?? oldest.key;
  };
  return [
    { weight: 40, name: "ask", act: ask },
    { weight: 3, name: "restart", act: restart },
    { weight: 2, name: "cancel restart", act: cancel },
    { weight: 4, name: "change and change back", act: changeAndBack },
    { weight: 5, name: "destroy", act: destroy },
  ];
}

/** What the API says when records it needs have been made unreadable, or the store takes no more. */
export async function refusal(request: Promise<unknown>): Promise<string | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (["record_corrupt", "etcd_no_space"].includes(errorCode(error) ?? "")) return errorMessage(error);
    throw error;
  }
}
