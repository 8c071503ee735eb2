import {
  type ClusterModel,
  type Hypothesis,
  parseUnitName,
  requirementsOf,
  type Unit,
  unitHash,
  validateUnit,
} from "@fleet/core";
import type { ModelView } from "../cache/model-view.ts";
import { type ApiDryRun, type DryRunRequest, dryRunRequestShape } from "../contract/dry-run.ts";
import type { ApiExplanation } from "../contract/explanation.ts";
import { message } from "../contract/messages.ts";
import { shownStep } from "./dry-run-words.ts";
import { shownExplanation } from "./explanation-words.ts";
import type { Foresight } from "./foresight.ts";
import { Problem } from "./problem.ts";
import { type Handlers, nameParameter, type RouteContext, readBody } from "./route-context.ts";

/** Why units are where they are, and what would happen if. */
export function foresightHandlers(
  { access, registry }: RouteContext,
  foresight: Foresight,
): Pick<Handlers, "getExplanation" | "dryRun"> {
  return {
    getExplanation: async (request): Promise<ApiExplanation> => {
      const name = nameParameter(request.params);
      if (!parseUnitName(name).ok) throw new Problem(404, message.unitAbsent);
      const explanation = await access.within(async () => {
        const reading = await registry.intents.read(name);
        return reading && (await foresight.explain(name, reading.modRevision));
      });
      if (explanation === undefined) throw new Problem(404, message.unitAbsent);
      return shownExplanation(explanation, foresight.agentTtlMs);
    },

    dryRun: async (request): Promise<ApiDryRun> => {
      const wanted = readBody(dryRunRequestShape, request.body);
      for (const unit of wanted.units ?? []) checkUnit(unit);
      // That the store answers is found out before anybody waits for all of it.
      await access.within(() => registry.guard.verify());
      const { revision, steps, explanations } = await foresight.dryRun((view) => hypothesisOf(wanted, view));
      return {
        revision,
        steps: steps.map(shownStep),
        waiting: explanations.map((explanation) => shownExplanation(explanation, foresight.agentTtlMs)),
      };
    },
  };
}

type WantedUnit = NonNullable<DryRunRequest["units"]>[number];

/** @throws Problem 400 for what PUT /units would refuse. */
function checkUnit({ name, options, desiredState }: WantedUnit): void {
  const parsed = parseUnitName(name);
  if (!parsed.ok) throw new Problem(400, parsed.problem);
  const [problem] = validateUnit(name, options).problems;
  if (problem !== undefined) throw new Problem(400, problem);
  if (parsed.value.isTemplate && desiredState !== "inactive")
    throw new Problem(400, message.templateActive(name));
}

/** @throws Problem 400 for units and machines that there are not. */
function hypothesisOf(wanted: DryRunRequest, { model, revision }: ModelView): Hypothesis {
  const { units = [], destroy = [], drain = [], without = [] } = wanted;
  for (const name of destroy) {
    if (model.unit(name) === undefined) throw new Problem(400, message.namedUnitAbsent(name));
  }
  for (const id of [...drain, ...without]) {
    if (!model.isPresent(id)) throw new Problem(400, message.machineNotPresent(id));
  }
  return {
    // As if submitted one after the other, from now on.
    units: units.flatMap((unit, index) => supposedUnit(model, unit, revision + 1 + index)),
    destroyed: destroy,
    drained: drain,
    lost: without,
  };
}

/** Nothing when the unit is as wanted already. */
function supposedUnit(model: ClusterModel, wanted: WantedUnit, changedAt: number): readonly Unit[] {
  const { name, options, desiredState: target } = wanted;
  const known = model.readableUnit(name);
  const hash = unitHash(options);
  if (known !== undefined && known.hash === hash && known.target === target) return [];
  const generation = (known?.generation ?? 0) + 1;
  return [{ name, hash, target, generation, changedAt, requirements: requirementsOf(name, options) }];
}
