import type { ApiReseed } from "../contract/reseed.ts";
import { FleetProtocolError } from "./errors.ts";
import { readList, readNumber, readObject, readText } from "./readers.ts";

export function readReseed(value: unknown): ApiReseed {
  const fields = readObject(value, "state of the registry");
  const clusterID = readText(fields, "clusterID");
  const reason = readText(fields, "reason");
  return {
    state: oneOf(fields.state, ["healthy", "frozen", "running"] as const),
    ...(clusterID === "" ? {} : { clusterID }),
    epoch: readNumber(fields, "epoch"),
    ...(reason === "" ? {} : { reason }),
    ...(fields.found === undefined ? {} : { found: readFound(fields.found) }),
    units: readNumber(fields, "units"),
    machines: readList(fields, "machines", readMachine),
    misplaced: readList(fields, "misplaced", readMisplaced),
  };
}

function readFound(value: unknown): NonNullable<ApiReseed["found"]> {
  const fields = readObject(value, "account of etcd");
  const clusterID = readText(fields, "clusterID");
  return {
    ...(clusterID === "" ? {} : { clusterID }),
    units: readNumber(fields, "units"),
    keys: readNumber(fields, "keys"),
  };
}

function readMachine(value: unknown): ApiReseed["machines"][number] {
  const fields = readObject(value, "machine");
  return {
    machineID: readText(fields, "machineID"),
    state: oneOf(fields.state, ["contributed", "awaited"] as const),
    units: readNumber(fields, "units"),
    left: readList(fields, "left", readLeft),
  };
}

function readLeft(value: unknown): ApiReseed["machines"][number]["left"][number] {
  const fields = readObject(value, "unit");
  const reasons = [
    "other_content",
    "other_target",
    "duplicate",
    "file_missing",
    "file_changed",
    "unreadable",
  ] as const;
  return { unit: readText(fields, "unit"), reason: oneOf(fields.reason, reasons) };
}

function readMisplaced(value: unknown): ApiReseed["misplaced"][number] {
  const fields = readObject(value, "unit");
  const metadata = readText(fields, "metadata");
  return {
    unit: readText(fields, "unit"),
    machineID: readText(fields, "machineID"),
    ...(metadata === "" ? {} : { metadata }),
    text: readText(fields, "text"),
  };
}

function oneOf<State extends string>(value: unknown, states: readonly State[]): State {
  const known = states.find((state) => state === value);
  if (known !== undefined) return known;
  throw new FleetProtocolError(`the server sent an unknown state: ${JSON.stringify(value)}`);
}
