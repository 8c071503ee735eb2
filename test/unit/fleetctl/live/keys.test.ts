import { describe, expect, it } from "vitest";
import { Keys } from "../../../../packages/fleetctl/src/live/keys.ts";

describe("keys", () => {
  it.each([
    ["q", ["quit"]],
    ["\u0003", ["interrupt"]],
    ["\u001a", ["suspend"]],
    ["\u001b[A\u001b[B", ["up", "down"]],
    // In application mode, as some terminals are.
    ["\u001bOA\u001bOB\u001bOH\u001bOF", ["up", "down", "home", "end"]],
    ["\u001b[5~\u001b[6~", ["page-up", "page-down"]],
    ["\u001b[H\u001b[1~\u001b[7~", ["home", "home", "home"]],
    ["\u001b[F\u001b[4~\u001b[8~", ["end", "end", "end"]],
    ["jjk gGb", ["down", "down", "up", "page-down", "home", "end", "page-up"]],
    // Delete, F5, Alt-x, Ctrl-Up, a letter: nothing.
    ["\u001b[3~\u001b[15~\u001bx\u001b[1;5Ax", []],
  ])("%j are %j", (typed, actions) => {
    expect(new Keys().read(typed)).toEqual(actions);
  });

  it("may come in pieces", () => {
    const typed = "\u001b[5~j\u001bOBq";
    for (let cut = 0; cut <= typed.length; cut += 1) {
      const keys = new Keys();
      const actions = [...keys.read(typed.slice(0, cut)), ...keys.read(typed.slice(cut))];
      expect(actions).toEqual(["page-up", "down", "down", "quit"]);
    }
  });
});
