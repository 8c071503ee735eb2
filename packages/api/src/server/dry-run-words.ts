import type { AssignReason, DryRunStep, LeaveReason } from "@fleet/core";
import type { ApiDryRunStep } from "../contract/dry-run.ts";
import { machineWord } from "./remedy-words.ts";

/** A step of a dry run as people and programs read it. */
export function shownStep(step: DryRunStep): ApiDryRunStep {
  switch (step.kind) {
    case "place": {
      const { unit, machineId, target } = step.assignment;
      if (step.from !== undefined) {
        const { machineId: from, reason } = step.from;
        const text = `moves from ${machineWord(from)} to ${machineWord(machineId)}: ${leaveWords(reason)}`;
        const places = { machineID: machineId, fromMachineID: from };
        return { action: "move", unit, ...places, reason: reason.kind, text };
      }
      const action = target === "launched" ? "start" : "load";
      const does = target === "launched" ? "starts" : "is loaded";
      const text = `${does} on ${machineWord(machineId)}${placeWords(step.reason)}`;
      return { action, unit, machineID: machineId, reason: step.reason.kind, text };
    }
    case "stop": {
      const { unit, machineId, reason, waits } = step;
      const then = waits ? "; it then waits for a machine" : "";
      const text = `stops on ${machineWord(machineId)}: ${leaveWords(reason)}${then}`;
      return { action: "stop", unit, fromMachineID: machineId, reason: reason.kind, text };
    }
    case "update": {
      const { unit, machineId } = step.assignment;
      const text = `${updateWords(step)} on ${machineWord(machineId)}, where it is`;
      return { action: "update", unit, machineID: machineId, reason: "changed", text };
    }
  }
}

function placeWords(reason: AssignReason): string {
  switch (reason.kind) {
    case "least_loaded":
      return `, the machine with the fewest units (${reason.load}) of those that may run it`;
    case "global":
      return ", as on every machine that fits";
    case "kept":
      return ", which still has it";
  }
}

function updateWords({ content, assignment }: Extract<DryRunStep, { kind: "update" }>): string {
  if (content) return "gets its new unit file";
  return assignment.target === "launched" ? "starts" : "stops, and stays loaded";
}

function leaveWords(reason: LeaveReason): string {
  switch (reason.kind) {
    case "destroyed":
      return "it is destroyed";
    case "inactive":
      return "it is not to run any more";
    case "machine_gone":
      return "the machine is lost";
    case "machine_leaving":
      return "the machine leaves";
    case "machine_id":
      return `the machine is not ${reason.required} of its MachineID`;
    case "machine_metadata":
      return `the machine lacks ${reason.accepted.map((value) => `${reason.key}=${value}`).join(" or ")}`;
    case "duplicate":
      return `it stays on ${machineWord(reason.kept)} alone`;
    case "machine_of":
      return `${reason.peer} of its MachineOf leaves`;
    case "conflict":
      return `it conflicts with ${reason.unit}`;
    case "failed":
      return "it failed there";
    case "replaced":
      return `${reason.unit} replaces it`;
  }
}
