import { describe, expect, test } from "vitest";
import { LossGuard } from "../../../packages/engine/src/loss-guard.ts";

const windowMs = 30_000;

function afterLosses(share: number, vanished: number): LossGuard {
  const guard = new LossGuard({ share, windowMs });
  for (let index = 0; index < vanished; index += 1) guard.vanished(`m${index}`, 0);
  return guard;
}

describe("the verdict on machines that vanished at once", () => {
  test.each([
    // share, of, vanished, verdict
    [0.5, 2, 1, "lost"],
    [0.5, 3, 2, "lost"],
    [0.5, 4, 2, "lost"],
    [0.5, 4, 3, "mass_loss"],
    [0.5, 5, 2, "lost"],
    [0.5, 5, 3, "mass_loss"],
    [0.5, 6, 3, "lost"],
    [0.5, 6, 4, "mass_loss"],
    [0.5, 10, 5, "lost"],
    [0.5, 10, 6, "mass_loss"],
    [0.1, 10, 2, "lost"],
    [0.1, 10, 3, "mass_loss"],
    [0.9, 10, 9, "lost"],
    [1, 10, 9, "lost"],
  ] as const)("share %d: of %d machines %d is %s", (share, of, vanished, verdict) => {
    const guard = afterLosses(share, vanished);
    const given = guard.verdict(of - vanished, 0, 0);
    expect(given).toEqual(verdict === "lost" ? { verdict } : { verdict, vanished, of });
  });

  test("counts what vanished within the window, is not back and is not settled", () => {
    const guard = afterLosses(0.5, 5);
    guard.vanished("late", windowMs);
    expect(guard.verdict(4, 0, windowMs)).toEqual({ verdict: "mass_loss", vanished: 6, of: 10 });
    guard.settled("m0");
    expect(guard.verdict(5, 0, windowMs)).toEqual({ verdict: "lost" });
    guard.vanished("m0", windowMs);
    expect(guard.verdict(4, 0, windowMs + 1)).toEqual({ verdict: "lost" });
  });

  test("is open while enough others are overdue, and no longer than the window", () => {
    const guard = afterLosses(0.5, 1);
    expect(guard.verdict(9, 4, 0)).toEqual({ verdict: "lost" });
    expect(guard.verdict(9, 5, 0)).toEqual({ verdict: "open" });
    expect(guard.verdict(9, 5, windowMs)).toEqual({ verdict: "lost" });
  });

  test.each([
    [0.5, 3, false],
    [0.5, 4, true],
    [1, 100, false],
    [0, 3, false],
    [0, 4, true],
  ])("with share %d, %d machines are watched: %s", (share, machines, watched) => {
    expect(new LossGuard({ share, windowMs }).watches(machines)).toBe(watched);
  });
});
