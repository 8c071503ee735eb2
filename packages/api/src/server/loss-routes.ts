import { type ConfirmedLosses, confirmLossesShape, type Losses } from "../contract/losses.ts";
import { type Handlers, type RouteContext, readBody } from "./route-context.ts";

/** Machines for which re-placing is held, and the word that they are lost. */
export function lossHandlers({
  access,
  registry,
}: RouteContext): Pick<Handlers, "getLosses" | "confirmLosses"> {
  return {
    getLosses: async (): Promise<Losses> => access.view(0, (view) => view.losses()),

    confirmLosses: async (request): Promise<ConfirmedLosses> => {
      const { machines } = readBody(confirmLossesShape, request.body);
      return { machines: [...(await access.within(() => registry.losses.confirm(machines)))] };
    },
  };
}
