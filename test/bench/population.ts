import { parseUnitFile, serializeUnitFile, type UnitOption, unitHash } from "@fleet/core";
import { Keyspace, type Operation } from "@fleet/registry";

export const keys = new Keyspace("/fleet-bench/");

/** Metadata that units ask for; each machine is in one of the zones. */
const ZONES = 20;

/** As they are stored; see docs/architecture.md. */
function record(value: object): string {
  return JSON.stringify({ v: 1, ...value });
}

export function machineId(index: number): string {
  return index.toString(16).padStart(32, "0");
}

function zoneOf(machine: number): string {
  return `z${machine % ZONES}`;
}

export function machineMetadata(machine: number): Readonly<Record<string, string>> {
  return { zone: zoneOf(machine), disk: machine % 3 === 0 ? "ssd" : "hdd" };
}

/** Machines as their agents register them, without agents: nothing ends them. */
export function* machineRows(count: number): Generator<Operation> {
  for (let index = 0; index < count; index += 1) {
    const id = machineId(index);
    const value = record({
      id,
      token: id,
      publicIp: "192.0.2.1",
      metadata: machineMetadata(index),
      leaving: false,
      formats: [1],
      version: "bench",
    });
    yield { op: "put", key: keys.machine(id), value };
  }
}

interface Template {
  readonly options: readonly UnitOption[];
  /** Share of all units that are its instances, in thousandths. */
  readonly share: number;
}

/** What clusters run: mostly plain services, some bound to machines of a kind, some that keep away from their like. */
function templates(): readonly Template[] {
  const service = (name: string, xFleet: string): readonly UnitOption[] => {
    const text = `[Unit]\nDescription=${name} %i\n[Service]\nExecStart=/usr/bin/${name} --instance %i\nRestart=always\n${xFleet}`;
    const parsed = parseUnitFile(text);
    if (!parsed.ok) throw new Error(parsed.problem.message);
    return parsed.value;
  };
  return [
    ...Array.from({ length: 20 }, (_, index) => ({ options: service(`plain${index}`, ""), share: 30 })),
    ...Array.from({ length: ZONES }, (_, index) => ({
      options: service(`zoned${index}`, `[X-Fleet]\nMachineMetadata=zone=z${index}\n`),
      share: 10,
    })),
    { options: service("ssd", "[X-Fleet]\nMachineMetadata=disk=ssd\n"), share: 50 },
    ...Array.from({ length: 10 }, (_, index) => ({
      options: service(`spread${index}`, `[X-Fleet]\nConflicts=t${40 + 1 + index}@*.service\n`),
      share: 15,
    })),
  ];
}

/** One instance more of the first template, whose file is there already. */
export function oneUnitMore(index: number): { readonly name: string; readonly row: Operation } {
  const [template] = templates();
  if (template === undefined) throw new Error("there is no template");
  const name = `t0@more-${index}.service`;
  const value = record({ hash: unitHash(template.options), target: "launched", generation: 1 });
  return { name, row: { op: "put", key: keys.unit(name), value } };
}

/** Units to be launched: instances of some fifty templates, with metadata and conflicts in the mix. */
export function* unitRows(count: number): Generator<Operation> {
  const all = templates();
  const hashes = all.map(({ options }) => unitHash(options));
  for (const [index, { options }] of all.entries()) {
    const key = keys.body(hashes[index] ?? "");
    yield { op: "put", key, value: record({ text: serializeUnitFile(options) }) };
  }
  let made = 0;
  for (const [index, { share }] of all.entries()) {
    const last = index === all.length - 1;
    const instances = last ? count - made : Math.floor((count * share) / 1_000);
    for (let instance = 1; instance <= instances; instance += 1) {
      const value = record({ hash: hashes[index], target: "launched", generation: 1 });
      yield { op: "put", key: keys.unit(`t${index}@${instance}.service`), value };
    }
    made += instances;
  }
}
