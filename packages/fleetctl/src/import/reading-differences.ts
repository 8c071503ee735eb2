import type { UnitOption } from "@fleet/core";

/** What fleet 1.0 did with options of a unit, and this fleet does differently; each a sentence for people. */
export function readingDifferences(options: readonly UnitOption[]): readonly string[] {
  return options
    .filter(({ section }) => section === "X-Fleet")
    .flatMap(({ name, value }) => {
      if (name === "ConditionMachineOf") {
        return [`ConditionMachineOf=${value} counts here as MachineOf; fleet 1.0 did not know it`];
      }
      return isMetadata(name) && holdsSeveralPairs(value)
        ? [`${name}=${value} counts here as several pairs; fleet 1.0 wants each of them in quotes`]
        : [];
    });
}

function isMetadata(name: string): boolean {
  return name === "MachineMetadata" || name === "X-ConditionMachineMetadata";
}

function holdsSeveralPairs(value: string): boolean {
  const parts = value.trim().split(/\s+/);
  return !value.trim().startsWith('"') && parts.length > 1 && parts.every((part) => part.includes("="));
}
