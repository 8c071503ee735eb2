import type { Invocation } from "../invocation.ts";
import { VERSION } from "../version.ts";

export async function version(call: Pick<Invocation, "print">): Promise<number> {
  call.print(`fleetctl version ${VERSION}\n`);
  return 0;
}
