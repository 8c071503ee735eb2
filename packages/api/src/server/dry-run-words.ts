import type { DryRunStep } from "@fleet/core";
import type { ApiDryRunStep } from "../contract/dry-run.ts";
import { becauseWords, leaveDetails, machineWord } from "../words/reason-words.ts";

/** A step of a dry run as people and programs read it. */
export function shownStep(step: DryRunStep): ApiDryRunStep {
  switch (step.kind) {
    case "place": {
      const { unit, machineId, target } = step.assignment;
      if (step.from !== undefined) {
        const { machineId: from, reason } = step.from;
        const text = `moves from ${machineWord(from)} to ${machineWord(machineId)}${becauseWords(reason.kind, leaveDetails(reason))}`;
        const places = { machineID: machineId, fromMachineID: from };
        return { action: "move", unit, ...places, reason: reason.kind, text };
      }
      const action = target === "launched" ? "start" : "load";
      const does = target === "launched" ? "starts" : "is loaded";
      const { reason } = step;
      const details = reason.kind === "least_loaded" ? { load: reason.load } : {};
      const text = `${does} on ${machineWord(machineId)}${becauseWords(reason.kind, details)}`;
      return { action, unit, machineID: machineId, reason: reason.kind, text };
    }
    case "stop": {
      const { unit, machineId, reason, waits } = step;
      const then = waits ? "; it then waits for a machine" : "";
      const text = `stops on ${machineWord(machineId)}${becauseWords(reason.kind, leaveDetails(reason))}${then}`;
      return { action: "stop", unit, fromMachineID: machineId, reason: reason.kind, text };
    }
    case "update": {
      const { unit, machineId, target } = step.assignment;
      const reason = step.content ? "content" : "target";
      const text = `is given to ${machineWord(machineId)} anew${becauseWords(reason, { target })}`;
      return { action: "update", unit, machineID: machineId, reason, text };
    }
  }
}
