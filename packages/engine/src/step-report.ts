import type { Step } from "@fleet/core";
import type { LogFields, Logger } from "@fleet/runtime";
import { type EngineMetrics, labelsOf } from "./engine-metrics.ts";

/** Steps of one plan that are told one by one: beyond that nobody reads them, and a leader of thousands writes nothing else. */
const mostTold = 200;

/** Notes in log and metrics what has been carried out: each step in a line of its own, of very many only how many. */
export function tellSteps(
  steps: readonly Step[],
  { logger, metrics }: { readonly logger: Logger; readonly metrics: EngineMetrics },
): void {
  const many = steps.length > mostTold;
  const level = many ? "debug" : "info";
  const counts = new Map<string, { readonly labels: ReturnType<typeof labelsOf>; count: number }>();
  for (const step of steps) {
    logger[level](eventOf[step.kind], fieldsOf(step));
    const labels = labelsOf(step);
    const key = `${labels.step} ${labels.reason}`;
    const same = counts.get(key);
    if (same === undefined) counts.set(key, { labels, count: 1 });
    else same.count += 1;
  }
  for (const { labels, count } of counts.values()) {
    metrics.steps.add(labels, count);
    if (many) logger.info("steps_carried_out", { ...labels, count });
  }
}

/** Steps that an audit has found are an error: something was missed before. */
export function tellFinding(
  steps: readonly Step[],
  { logger, metrics }: { readonly logger: Logger; readonly metrics: EngineMetrics },
): void {
  metrics.auditFindings.add({}, steps.length);
  const subjects = steps.map((step) =>
    step.kind === "settle" ? step.machineId : step.kind === "withdraw" ? step.unit : step.assignment.unit,
  );
  logger.error("audit_found_work", { steps: steps.length, of: subjects.slice(0, 10) });
}

const eventOf: Readonly<Record<Step["kind"], string>> = {
  assign: "unit_assigned",
  update: "unit_updated",
  withdraw: "unit_withdrawn",
  settle: "machine_settled",
};

function fieldsOf(step: Step): LogFields {
  switch (step.kind) {
    case "withdraw":
      return { unit: step.unit, machine: step.machineId, reason: step.reason.kind };
    case "assign":
    case "update": {
      const { unit, machineId: machine, target, restart } = step.assignment;
      return { unit, machine, target, restart, reason: step.reason.kind };
    }
    case "settle": {
      const { machineId: machine, registration, spared } = step;
      return { machine, registration, ...(spared.length === 0 ? {} : { spared }) };
    }
  }
}
