import type { ApiMassLoss } from "@fleet/api/client";

/** What a mass loss means, as a line for stderr. */
export function massLossNotice({ at, vanished, of, machines }: ApiMassLoss): string {
  const away = machines.length === vanished ? "" : `; ${machines.length} of them are still away`;
  return `re-placing is held: ${vanished} of ${of} machines vanished at ${at}${away}; confirm with fleetctl confirm-loss`;
}
