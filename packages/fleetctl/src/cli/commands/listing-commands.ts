import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

const noLegend: Flag = {
  name: "no-legend",
  kind: "switch",
  fallback: "false",
  help: "Do not print column headers",
};
const full: Flag = {
  name: "full",
  short: "l",
  kind: "switch",
  fallback: "false",
  help: "Do not ellipsize fields on output",
};

function fields(fallback: string, known: string): Flag {
  return {
    name: "fields",
    kind: "text",
    fallback,
    help: `Columns to print, comma-separated. Known: ${known}`,
  };
}

/** Commands that print tables of what the cluster holds. */
export const listingCommands: readonly Command[] = [
  {
    name: "list-machines",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "Enumerate the current hosts in the cluster",
    description: "Lists the machines whose fleetd is present, with their address and metadata.",
    flags: [fields("machine,ip,metadata", "machine, ip, metadata"), full, noLegend],
  },
  {
    name: "list-unit-files",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "List the units that exist in the cluster",
    description: "Lists every submitted unit with its desired and its current state.",
    flags: [
      fields("unit,hash,dstate,state,target", "unit, hash, desc, dstate, state, target, tmachine, global"),
      full,
      noLegend,
    ],
  },
  {
    name: "list-units",
    usage: "[-l|--full] [--no-legend] [--fields=F,...]",
    summary: "List the current state of units in the cluster",
    description: "Lists what systemd reports: one row for each unit and machine.",
    flags: [fields("unit,machine,active,sub", "unit, load, active, sub, machine, hash"), full, noLegend],
  },
];
