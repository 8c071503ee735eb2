import type { Invocation } from "../invocation.ts";
import { StartGoal } from "../wait/start-goal.ts";
import { activate } from "./activate.ts";

export function start(call: Invocation): Promise<number> {
  return activate(call, {
    verb: "start",
    doing: "starting units",
    target: "launched",
    replaceableIn: ["inactive", "loaded", "launched"],
    goal: (unit) => new StartGoal(unit),
  });
}
