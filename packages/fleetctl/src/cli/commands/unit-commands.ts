import type { Flag } from "../flag.ts";
import type { Command } from "./command.ts";

const noBlock: Flag = {
  name: "no-block",
  kind: "switch",
  fallback: "false",
  help: "Do not wait until the units have reached the state: return once the request is accepted",
};
const blockAttempts: Flag = {
  name: "block-attempts",
  kind: "count",
  fallback: "0",
  help: "Wait until the units have reached the state, for at most this many polls of 0.5 s. 0 waits without limit",
};
const replace: Flag = {
  name: "replace",
  kind: "switch",
  fallback: "false",
  help: "Replace the unit in the cluster when the local unit file differs from it",
};
const sign: Flag = { name: "sign", kind: "switch", fallback: "false", help: "", hidden: true };

/** Commands that say what is wanted of units, and the one that prints a unit file. */
export const unitCommands: readonly Command[] = [
  {
    name: "cat",
    usage: "UNIT",
    summary: "Output the contents of a submitted unit",
    description: "Prints the unit file exactly as the cluster holds it.",
    flags: [],
  },
  {
    name: "destroy",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Destroy one or more units in the cluster",
    description:
      "Removes the units from the cluster, running ones included, and waits until their machines have\nstopped and unloaded them. Destroyed units cannot be started again without submitting them anew.",
    flags: [noBlock, blockAttempts],
  },
  {
    name: "load",
    usage: "[--replace] [--no-block|--block-attempts=N] UNIT...",
    summary: "Schedule one or more units in the cluster, first submitting them if necessary",
    description: "Each unit is placed on a machine and loaded into its systemd, without being started.",
    flags: [replace, noBlock, blockAttempts, sign],
  },
  {
    name: "start",
    usage: "[--replace] [--no-block|--block-attempts=N] UNIT...",
    summary:
      "Instruct systemd to start one or more units in the cluster, first submitting and loading if necessary",
    description:
      "Waits until each unit is active. Exits 0 as well when a unit is still activating 2 s after systemd was\nasked to start it, and when it has finished already; exits 1 when it failed.\nAs for systemctl, a unit of Type=simple is active as soon as its process has begun.",
    flags: [replace, noBlock, blockAttempts, sign],
  },
  {
    name: "stop",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Instruct systemd to stop one or more units in the cluster",
    description: "The units stay loaded on their machines.",
    flags: [noBlock, blockAttempts],
  },
  {
    name: "submit",
    usage: "[--replace] UNIT...",
    summary: "Upload one or more units to the cluster without starting them",
    description:
      "Each unit is validated and stored. Submitted units can be loaded and started by their name.",
    flags: [replace, sign],
  },
  {
    name: "unload",
    usage: "[--no-block|--block-attempts=N] UNIT...",
    summary: "Unschedule one or more units in the cluster",
    description: "The units are stopped and leave their machines; they stay submitted.",
    flags: [noBlock, blockAttempts],
  },
];
