import type { ApiDryRun, ApiDryRunStep } from "../contract/dry-run.ts";
import { readExplanation } from "./explanation-reader.ts";
import { readList, readNumber, readObject, readText, readWord } from "./readers.ts";

export function readDryRun(value: unknown): ApiDryRun {
  const fields = readObject(value, "dry run");
  return {
    revision: readNumber(fields, "revision"),
    steps: readList(fields, "steps", readStep),
    waiting: readList(fields, "waiting", readExplanation),
  };
}

function readStep(value: unknown): ApiDryRunStep {
  const fields = readObject(value, "step");
  const machineID = readText(fields, "machineID");
  const fromMachineID = readText(fields, "fromMachineID");
  return {
    action: readWord(fields, "action", ["load", "start", "move", "stop", "update"]),
    unit: readText(fields, "unit"),
    ...(machineID === "" ? {} : { machineID }),
    ...(fromMachineID === "" ? {} : { fromMachineID }),
    reason: readText(fields, "reason"),
    text: readText(fields, "text"),
  };
}
