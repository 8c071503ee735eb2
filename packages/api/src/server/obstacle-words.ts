import type { Closed, Obstacle } from "@fleet/core";

/** What machines are that take no units: "is leaving". */
export function closedWords(why: Closed, machines: number): string {
  const one = machines === 1;
  switch (why) {
    case "leaving":
      return one ? "is leaving" : "are leaving";
    case "away":
      return one ? "is away and may come back" : "are away and may come back";
    case "unreadable":
      return one ? "has a record that cannot be read" : "have records that cannot be read";
    case "gone":
      return one ? "is not there any more" : "are not there any more";
  }
}

/**
 * What keeps a unit off so many machines, as what is said of them: "lack region=eu". `units`: how many units are in the
 * way there; the obstacle names one of them.
 */
export function obstacleWords(obstacle: Obstacle, machines: number, units = 1): string {
  const one = machines === 1;
  const have = one ? "has" : "have";
  switch (obstacle.cause) {
    case "MachineID":
      return `${one ? "is" : "are"} not the machine ${obstacle.required} of its MachineID`;
    case "MachineMetadata": {
      const { key, accepted, actual } = obstacle;
      const wanted = accepted.map((value) => `${key}=${value}`).join(" or ");
      return `${one ? "lacks" : "lack"} ${wanted}${one && actual !== undefined ? ` (it has ${key}=${actual})` : ""}`;
    }
    case "MachineOf":
      return `${one ? "does" : "do"} not have ${obstacle.peer} of its MachineOf`;
    case "Conflicts": {
      const conflict = one ? "conflicts" : "conflict";
      if (units === 1) return `${conflict} with ${obstacle.unit}`;
      const { declaredBy, glob } = obstacle.conflict;
      return declaredBy === obstacle.unit
        ? `${have} units whose Conflicts=${glob} keeps it away, such as ${obstacle.unit}`
        : `${conflict} with units that match ${glob}, such as ${obstacle.unit}`;
    }
    case "Replaces":
      return units === 1
        ? `${have} ${obstacle.unit}, which replaces it`
        : `${have} units that replace it, such as ${obstacle.unit}`;
    case "ReplacesBlocked":
      return `${have} ${units === 1 ? obstacle.unit : `units such as ${obstacle.unit}`}, ${blockedWords(obstacle.why)}`;
  }
}

function blockedWords(why: Extract<Obstacle, { cause: "ReplacesBlocked" }>["why"]): string {
  switch (why) {
    case "nowhere_else":
      return "which it would replace and which can run nowhere else";
    case "unreadable":
      return "which it would replace and whose record cannot be read";
    case "junior_replacer":
      return "which it would replace and which replaces units itself and was changed later";
    case "takes_peer_along":
      return "which it would replace and with which a unit would go that it must run beside";
  }
}
