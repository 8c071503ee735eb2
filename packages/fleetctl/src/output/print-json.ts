import type { Invocation } from "../invocation.ts";

/** Prints for programs: a listing is one JSON list. */
export function printJson(call: Invocation, value: object): void {
  call.print(`${JSON.stringify(value, undefined, 2)}\n`);
}
