import type { ApiExplanation } from "@fleet/api/client";
import { wordedAs } from "../api-failure.ts";
import { mapBounded } from "../bounded.ts";
import { CommandFailure } from "../failure.ts";
import type { Invocation } from "../invocation.ts";
import { adviceOf } from "../output/advice.ts";
import { machineIdLegend } from "../output/machine-legend.ts";
import { printJson } from "../output/print-json.ts";
import { findUnits } from "../units/find-units.ts";

/** Says of each unit why it is where it is, or what keeps it off the machines. */
export async function explain(call: Invocation): Promise<number> {
  if (call.args.length === 0) {
    call.say("No units given");
    return 0;
  }
  const units = await findUnits(call);
  const client = await call.connect();
  const explanations = await mapBounded(units, async ({ name }) => {
    const explanation = await wordedAs(
      (reason) => `Error retrieving the explanation of Unit ${name}: ${reason}`,
      client.explanation(name, call.signal),
    );
    if (explanation === "unsupported") throw new CommandFailure(tellsNothing);
    // Destroyed meanwhile.
    if (explanation === "absent") call.say(`Unit ${name} not found in registry: skipped`);
    return explanation;
  });
  const told = explanations.filter((explanation) => explanation !== "absent");
  if (call.flags.on("json")) printJson(call, told);
  else call.print(told.map(textOf).join("\n"));
  return 0;
}

/** Of a server of fleet 1.0. */
export const tellsNothing = "this server has fleet 1.0's API, which does not tell why a unit waits";

function textOf(explanation: ApiExplanation): string {
  const { summary, placements, causes } = explanation;
  const lines = [
    summary,
    ...(placements.length > 1 ? placements.map(({ text }) => `  ${text}`) : []),
    ...causes.map(
      ({ machines, text, examples }) => `  ${machines} ${text}${machinesNamed(machines, examples)}`,
    ),
    ...adviceOf(explanation).map((line) => `  ${line}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** `: 0acdd9bf... and 8 more`. */
function machinesNamed(machines: number, examples: readonly string[]): string {
  if (examples.length === 0) return "";
  const named = examples.map((id) => machineIdLegend(id, false)).join(", ");
  return `: ${named}${machines > examples.length ? `, and ${machines - examples.length} more` : ""}`;
}
