import type { ApiRestart } from "../contract/restart.ts";
import { readList, readNumber, readObject, readText, readTexts, readWord } from "./readers.ts";

export function readRestart(value: unknown): ApiRestart {
  const fields = readObject(value, "restart");
  const message = readText(fields, "message");
  return {
    id: readText(fields, "id"),
    units: readTexts(fields, "units"),
    parallel: readNumber(fields, "parallel"),
    state: readWord(fields, "state", ["running", "done", "failed"]),
    steps: readList(fields, "steps", readStep),
    ...(message === "" ? {} : { message }),
  };
}

function readStep(value: unknown): ApiRestart["steps"][number] {
  const fields = readObject(value, "restart step");
  const machineID = readText(fields, "machineID");
  const message = readText(fields, "message");
  return {
    unit: readText(fields, "unit"),
    ...(machineID === "" ? {} : { machineID }),
    state: readWord(fields, "state", ["restarting", "done", "failed", "skipped"]),
    ...(message === "" ? {} : { message }),
  };
}
