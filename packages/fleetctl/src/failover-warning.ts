import { type Endpoint, endpointText } from "@fleet/api/client";

/** Says which endpoint is used instead of which, once for each that is left, however often it is tried. */
export function failoverWarning(say: (line: string) => void) {
  const said = new Set<string>();
  return (unreachable: Endpoint, reason: string, next: Endpoint): void => {
    const name = endpointText(unreachable);
    if (said.has(name)) return;
    said.add(name);
    say(`WARNING: ${name} cannot be reached (${reason}): using ${endpointText(next)}`);
  };
}
