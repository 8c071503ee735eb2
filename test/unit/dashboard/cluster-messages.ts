import type { ApiEvent, ApiMachine, ApiUnitState, UnitSummary, WatchDelta, WatchSnapshot } from "@fleet/api";

/** Messages about a cluster that there is none of. */

export function machineId(number: number): string {
  return number.toString(16).padStart(8, "0").padEnd(32, "5");
}

export function machine(number: number, metadata: Record<string, string> = {}): ApiMachine {
  return { id: machineId(number), primaryIP: `10.0.${number >> 8}.${number & 255}`, metadata };
}

export function summary(name: string, on: number | undefined, more: Partial<UnitSummary> = {}): UnitSummary {
  return {
    name,
    hash: "9a7f",
    desiredState: "launched",
    currentState: on === undefined ? "inactive" : "launched",
    ...(on === undefined ? {} : { machineID: machineId(on) }),
    ...more,
  };
}

export function state(name: string, on: number, active = "active", sub = "running"): ApiUnitState {
  return {
    name,
    machineID: machineId(on),
    hash: "9a7f",
    systemdLoadState: "loaded",
    systemdActiveState: active,
    systemdSubState: sub,
  };
}

let told = 0;

export function event(kind: ApiEvent["kind"], text: string, more: Partial<ApiEvent> = {}): ApiEvent {
  told += 1;
  const id = `0000000000000001-${String(told).padStart(8, "0")}.000`;
  return { id, at: new Date().toISOString(), kind, text, ...more };
}

export function snapshot(rows: Partial<Omit<WatchSnapshot, "type">>): WatchSnapshot {
  return {
    type: "snapshot",
    revision: 100,
    cluster: "c1",
    units: [],
    summaries: [],
    states: [],
    machines: [],
    events: [],
    ...rows,
  };
}

export function delta(revision: number, rows: Omit<WatchDelta, "type" | "revision">): WatchDelta {
  return { type: "delta", revision, ...rows };
}

/** So many units, spread over so many machines, all running. */
export function largeCluster(units: number, machines: number): WatchSnapshot {
  const on = (index: number): number => 1 + (index % machines);
  const names = Array.from({ length: units }, (_, index) => `app-${String(index).padStart(5, "0")}.service`);
  return snapshot({
    machines: Array.from({ length: machines }, (_, index) =>
      machine(index + 1, { region: index % 2 === 0 ? "north" : "south" }),
    ),
    summaries: names.map((name, index) =>
      summary(name, on(index), { description: `Worker ${index} of the queue` }),
    ),
    states: names.map((name, index) => state(name, on(index))),
  });
}
