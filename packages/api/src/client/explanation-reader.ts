import type { ApiExplanation } from "../contract/explanation.ts";
import { readList, readNumber, readObject, readTarget, readText, readTexts, readWord } from "./readers.ts";

export function readExplanation(value: unknown): ApiExplanation {
  const fields = readObject(value, "explanation");
  const nearest = fields.nearest === undefined ? undefined : readObject(fields.nearest, "nearest machine");
  return {
    unit: readText(fields, "unit"),
    desiredState: readTarget(fields.desiredState),
    verdict: readWord(fields, "verdict", ["inactive", "placed", "waiting", "template"]),
    machines: readNumber(fields, "machines"),
    placements: readList(fields, "placements", readPlacement),
    causes: readList(fields, "causes", readCause),
    ...(nearest === undefined
      ? {}
      : {
          nearest: { machineID: readText(nearest, "machineID"), obstacles: readTexts(nearest, "obstacles") },
        }),
    remedies: readTexts(fields, "remedies"),
    summary: readText(fields, "summary"),
  };
}

function readPlacement(value: unknown): ApiExplanation["placements"][number] {
  const fields = readObject(value, "placement");
  return {
    machineID: readText(fields, "machineID"),
    fits: fields.fits === true,
    text: readText(fields, "text"),
  };
}

function readCause(value: unknown): ApiExplanation["causes"][number] {
  const fields = readObject(value, "cause");
  return {
    cause: readText(fields, "cause"),
    machines: readNumber(fields, "machines"),
    examples: readTexts(fields, "examples"),
    text: readText(fields, "text"),
  };
}
