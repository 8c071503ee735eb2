import { UsageError } from "../cli/flag.ts";
import { SIGNING_GONE } from "./signing.ts";

export function verify(): Promise<number> {
  return Promise.reject(new UsageError(SIGNING_GONE));
}
