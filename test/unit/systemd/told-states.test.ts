import { describe, expect, test } from "vitest";
import { ToldStates, type UnitState } from "../../../packages/systemd/src/told-states.ts";

const running: UnitState = { active: "active", sub: "running" };
const reloading: UnitState = { active: "reloading", sub: "reload" };
const name = "a.service";

/** A listener that asks for the status whenever it is told; knows what it was last answered. */
function asker(systemd: { state: UnitState }) {
  const states = new ToldStates();
  let known: UnitState | undefined;
  let questions = 0;
  const ask = (answer: UnitState = systemd.state): void => {
    questions += 1;
    if (questions > 20) throw new Error("there is no end to the questions");
    states.asked(name);
    known = answer;
    if (states.answered(name, answer)) ask();
  };
  const signal = (state: UnitState | undefined): void => {
    if (states.signalled(name, state)) ask();
  };
  return { states, ask, signal, known: () => known, questions: () => questions };
}

describe("what listeners are told", () => {
  test("the way back to a state told before, when only an answer showed the one in between", () => {
    const systemd = { state: running };
    const { ask, signal, known } = asker(systemd);
    ask();
    signal(running);
    systemd.state = reloading;
    ask();
    systemd.state = running;
    signal(running);
    expect(known()).toEqual(running);
  });

  test("the way back also when its signal is handled before the answer", () => {
    const systemd = { state: running };
    const { ask, signal, known } = asker(systemd);
    ask();
    signal(running);
    signal(running);
    ask(reloading);
    expect(known()).toEqual(running);
  });

  test("a steady state only once, however many signals the questions cause", () => {
    const { ask, signal, questions } = asker({ state: running });
    ask();
    for (let time = 1; time <= 10; time += 1) signal(running);
    expect(questions()).toBe(2);
  });

  test("an answer's news not once more by the signal that comes after it", () => {
    const systemd = { state: running };
    const { ask, signal, questions } = asker(systemd);
    ask();
    signal(running);
    systemd.state = reloading;
    ask();
    const before = questions();
    signal(reloading);
    expect(questions()).toBe(before);
  });

  test("each signal that does not say the state, and each of a unit never asked for", () => {
    const states = new ToldStates();
    for (let time = 1; time <= 2; time += 1) expect(states.signalled(name, running)).toBe(true);
    states.asked(name);
    for (let time = 1; time <= 2; time += 1) expect(states.signalled(name, undefined)).toBe(true);
  });
});
