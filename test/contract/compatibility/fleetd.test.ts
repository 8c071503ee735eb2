import { requirementsOf } from "@fleet/core";
import { describe, expect, it } from "vitest";
import { helpText, parseArguments } from "../../../packages/fleetd/src/arguments.ts";
import { optionsSchema, optionsWithoutEffect } from "../../../packages/fleetd/src/options.ts";
import { handleSignals } from "../../../packages/fleetd/src/signals.ts";
import { fleetSurface, readCompatibilityPage } from "./compatibility-page.ts";

const tables = readCompatibilityPage();
const rows = (heading: string) => tables.get(heading) ?? [];

/** Where a pair of key and value says nothing. */
const xFleetValues: Readonly<Record<string, string>> = {
  Global: "true",
  Exclusive: "true",
  RescheduleOnFailure: "true",
  RescheduleLimitBurst: "1",
  RescheduleLimitIntervalSec: "1",
};

describe("fleetd's configuration", () => {
  const listed = rows("fleetd's configuration");

  it("has the options of the page", () => {
    const served = listed.filter(({ verdict }) => verdict !== "not").map(({ what }) => what);
    const effective = Object.keys(optionsSchema.shape).filter((name) => !optionsWithoutEffect.has(name));
    expect(served.sort()).toEqual(effective.sort());
  });

  it("accepts the options of fleet 1.0 that the page says have no effect", () => {
    const idle = listed.filter(({ verdict }) => verdict === "not").map(({ what }) => what);
    expect(idle.sort()).toEqual([...optionsWithoutEffect.keys()].sort());
  });

  it("has every option of fleet 1.0 on the page", () => {
    const known = listed.filter(({ verdict }) => verdict !== "new").map(({ what }) => what);
    expect(known.sort()).toEqual([...fleetSurface.config].sort());
  });
});

describe("[X-Fleet]", () => {
  it("has every option of fleet 1.0 on the page", () => {
    const known = rows("Options of [X-Fleet]").filter(({ verdict }) => verdict !== "new");
    expect(known.map(({ what }) => what).sort()).toEqual([...fleetSurface.xFleet].sort());
  });

  it.each(rows("Options of [X-Fleet]").map(({ what }) => what))("%s changes where a unit may run", (name) => {
    const section = "X-Fleet";
    const value = xFleetValues[name] ?? "a=b";
    const needed = name.startsWith("RescheduleLimit")
      ? [{ section, name: "RescheduleOnFailure", value: "true" }]
      : [];
    const plain = requirementsOf("a.service", needed);
    expect(requirementsOf("a.service", [...needed, { section, name, value }])).not.toEqual(plain);
  });
});

describe("fleetd", () => {
  it.each(fleetSurface.fleetdArguments)("takes %s", (argument) => {
    expect(parseArguments([argument, "file"].slice(0, argument === "--config" ? 2 : 1)).command).not.toBe(
      "wrong",
    );
    expect(helpText).toContain(argument);
  });

  it("takes fleet 1.0's signals, and one more", () => {
    const heard: string[] = [];
    const source = { on: (signal: string) => heard.push(signal), off: () => undefined };
    const ignore = (): void => {};
    handleSignals(source, {
      reload: ignore,
      dump: ignore,
      switchDetails: ignore,
      stop: ignore,
      abandon: ignore,
    });
    expect(heard.sort()).toEqual([...fleetSurface.signals, "SIGUSR2"].sort());
  });

  it("has its arguments and signals on the page", () => {
    const named = rows("fleetd").map(({ what }) => what);
    expect(named).toEqual(
      expect.arrayContaining([...fleetSurface.fleetdArguments, ...fleetSurface.signals, "SIGUSR2"]),
    );
  });
});
