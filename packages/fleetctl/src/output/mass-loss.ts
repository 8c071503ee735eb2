import type { ApiMassLoss } from "@fleet/api/client";

/** The same, where there is room for some words only. */
export function massLossMark({ vanished, of }: ApiMassLoss): string {
  return `HELD: ${vanished} of ${of} vanished, see fleetctl confirm-loss`;
}

/** What a mass loss means, as a line for stderr. */
export function massLossNotice({ at, vanished, of, machines }: ApiMassLoss): string {
  const away = machines.length === vanished ? "" : `; ${machines.length} of them are still away`;
  return `re-placing is held: ${vanished} of ${of} machines vanished at ${at}${away}; confirm with fleetctl confirm-loss`;
}
