import type { ClientMachine } from "@fleet/api/client";
import { type Glob, globOf } from "../units/patterns.ts";
import { meansMachine } from "./machine-name.ts";

/**
 * What arguments of list-machines choose: of machines (the beginning of an id, an IP, both as listings show them, or a pattern for either) any
 * one, of KEY=VALUE pairs all. Throws CommandFailure for a malformed pattern.
 */
export function machineMatcher(args: readonly string[]): (machine: ClientMachine) => boolean {
  const pairs = args.filter((arg) => arg.includes("=")).map(pairOf);
  const names = args
    .filter((arg) => !arg.includes("="))
    .map((arg) => ({ isMeant: meansMachine(arg), glob: globOf(arg) }));
  return ({ id, primaryIP = "", metadata = {} }) =>
    pairs.every(({ key, glob }) => Object.hasOwn(metadata, key) && glob(metadata[key] ?? "")) &&
    (names.length === 0 ||
      names.some(({ isMeant, glob }) => isMeant({ id, primaryIP }) || glob(id) || glob(primaryIP)));
}

function pairOf(arg: string): { readonly key: string; readonly glob: Glob } {
  const at = arg.indexOf("=");
  return { key: arg.slice(0, at), glob: globOf(arg.slice(at + 1)) };
}
