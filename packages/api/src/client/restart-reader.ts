import type { ApiRestart } from "../contract/restart.ts";
import { FleetProtocolError } from "./errors.ts";
import { readList, readNumber, readObject, readText } from "./readers.ts";

export function readRestart(value: unknown): ApiRestart {
  const fields = readObject(value, "restart");
  const message = readText(fields, "message");
  return {
    id: readText(fields, "id"),
    units: readList(fields, "units", readName),
    parallel: readNumber(fields, "parallel"),
    state: oneOf(fields.state, ["running", "done", "failed"] as const),
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
    state: oneOf(fields.state, ["restarting", "done", "failed", "skipped"] as const),
    ...(message === "" ? {} : { message }),
  };
}

function readName(value: unknown): string {
  if (typeof value !== "string") throw new FleetProtocolError("the server sent a bad list of units");
  return value;
}

function oneOf<State extends string>(value: unknown, states: readonly State[]): State {
  const known = states.find((state) => state === value);
  if (known !== undefined) return known;
  throw new FleetProtocolError(`the server sent an unknown restart state: ${JSON.stringify(value)}`);
}
