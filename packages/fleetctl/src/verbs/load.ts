import type { Invocation } from "../invocation.ts";
import { StateGoal } from "../wait/goal.ts";
import { activate } from "./activate.ts";

export function load(call: Invocation): Promise<number> {
  return activate(call, {
    verb: "load",
    doing: "loading units",
    target: "loaded",
    replaceableIn: ["inactive", "loaded"],
    goal: (unit) => new StateGoal(unit, "loaded"),
  });
}
