import { expect, it } from "vitest";
import { Talk } from "../../../../packages/fleetctl/src/output/talk.ts";

it("what is said while it is held comes afterwards, in its order, and not without bound", () => {
  let written = "";
  const talk = new Talk((text) => {
    written += text;
  });
  talk.say("before");
  talk.hold();
  for (let n = 1; n <= 102; n += 1) talk.say(`held ${n}`);
  expect(written).toBe("before\n");
  talk.release();
  const lines = written.trimEnd().split("\n");
  expect([lines[1], lines.at(-1), lines.length]).toEqual(["held 3", "held 102", 101]);
  talk.say("after");
  expect(written).toMatch(/held 102\nafter\n$/);
});
