import { expect, test } from "vitest";
import { Damping } from "../../../packages/engine/src/damping.ts";

const minuteMs = 60_000;

test("two losses do nothing, from the third within ten minutes on each doubles the time, up to 32 minutes", () => {
  const damping = new Damping();
  const minutes: number[] = [];
  for (let loss = 0; loss < 10; loss += 1) {
    const atMs = loss * 5_000;
    damping.lost("m1", atMs);
    minutes.push(((damping.until("m1", atMs) ?? atMs) - atMs) / minuteMs);
  }
  expect(minutes).toEqual([0, 0, 1, 2, 4, 8, 16, 32, 32, 32]);
});

test("losses more than ten minutes apart are forgotten", () => {
  const damping = new Damping();
  for (const atMs of [0, 1, 10 * minuteMs + 2]) expect(damping.lost("m1", atMs)).toBe(false);
  expect(damping.lost("m1", 10 * minuteMs + 3)).toBe(false);
  expect(damping.lost("m1", 10 * minuteMs + 4)).toBe(true);
});

test("the time ends, and is doubled again unless ten steady minutes follow it", () => {
  const damping = new Damping();
  for (const atMs of [0, 0, 0]) damping.lost("m1", atMs);
  expect([...damping.unsteady(0)]).toEqual([["m1", minuteMs]]);
  expect(damping.until("m1", minuteMs)).toBeUndefined();
  damping.lost("m1", 2 * minuteMs);
  expect(damping.until("m1", 2 * minuteMs)).toBe(4 * minuteMs);
  const later = 14 * minuteMs + 1;
  for (const atMs of [later, later, later]) damping.lost("m1", atMs);
  expect(damping.until("m1", later)).toBe(later + minuteMs);
});

test("each machine counts for itself", () => {
  const damping = new Damping();
  for (const machine of ["m1", "m2", "m1", "m2", "m3", "m1"]) damping.lost(machine, 0);
  expect([...damping.unsteady(0).keys()]).toEqual(["m1"]);
});
