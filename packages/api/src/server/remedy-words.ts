import type { Obstacle } from "@fleet/core";
import { machineWord } from "../words/reason-words.ts";

/** What would take the obstacle on that machine out of the way. */
export function remedyOf(obstacle: Obstacle, machineId: string): string {
  const there = machineWord(machineId);
  switch (obstacle.cause) {
    case "MachineID":
      return `have machine ${obstacle.required} in the cluster, or change MachineID`;
    case "MachineMetadata": {
      const wanted = obstacle.accepted.map((value) => `${obstacle.key}=${value}`).join(" or ");
      return `set the metadata ${wanted} on ${there}, or add a machine that has it`;
    }
    case "MachineOf":
      return `have ${obstacle.peer} placed on a machine that fits, such as ${there}`;
    case "Conflicts":
    case "Replaces":
      return `stop ${obstacle.unit} on ${there}, or add a machine without it`;
    case "ReplacesBlocked":
      return blockedRemedy(obstacle, there);
  }
}

function blockedRemedy(
  { unit, why }: Extract<Obstacle, { cause: "ReplacesBlocked" }>,
  there: string,
): string {
  switch (why) {
    case "nowhere_else":
      return `stop ${unit}, or add a machine that may run it`;
    case "unreadable":
      return `destroy ${unit}, or submit it anew`;
    case "junior_replacer":
      return `stop ${unit} on ${there}, or add a machine without it`;
    case "takes_peer_along":
      return `stop ${unit} on ${there}, or have its followers run elsewhere`;
  }
}
