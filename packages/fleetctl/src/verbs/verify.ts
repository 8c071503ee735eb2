import type { Invocation } from "../invocation.ts";
import { refuseSigning } from "./signing.ts";

export async function verify(call: Invocation): Promise<number> {
  return refuseSigning(call);
}
