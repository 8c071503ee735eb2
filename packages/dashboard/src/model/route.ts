import { allUnits, type SortKey, sortKeys, type UnitFilter } from "./selection.ts";
import { isPhase } from "./unit-row.ts";

/** What the page shows. It is in the address, behind the #, so that links to it work. */
export type Route =
  | { readonly page: "overview"; readonly filter: UnitFilter }
  | { readonly page: "units"; readonly filter: UnitFilter }
  | { readonly page: "unit"; readonly name: string }
  | { readonly page: "machines" }
  | { readonly page: "machine"; readonly id: string; readonly filter: UnitFilter }
  | { readonly page: "events" };

/** What does not make sense leads to the overview. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const [, first = "", second = ""] = path.split("/").map(decoded);
  const filter = parseFilter(new URLSearchParams(search));
  switch (first) {
    case "units":
      return second === "" ? { page: "units", filter } : { page: "unit", name: second };
    case "machines":
      return second === ""
        ? { page: "machines" }
        : { page: "machine", id: second, filter: { ...filter, machine: second } };
    case "events":
      return { page: "events" };
    default:
      return { page: "overview", filter };
  }
}

export function formatRoute(route: Route): string {
  switch (route.page) {
    case "overview":
      return `#/${formatFilter(route.filter)}`;
    case "units":
      return `#/units${formatFilter(route.filter)}`;
    case "unit":
      return `#/units/${encodeURIComponent(route.name)}`;
    case "machines":
      return "#/machines";
    case "machine":
      return `#/machines/${encodeURIComponent(route.id)}${formatFilter({ ...route.filter, machine: undefined })}`;
    case "events":
      return "#/events";
  }
}

function parseFilter(parameters: URLSearchParams): UnitFilter {
  const phase = parameters.get("state") ?? "";
  const sort = parameters.get("sort") ?? "";
  return {
    phase: isPhase(phase) ? phase : undefined,
    machine: parameters.get("machine") ?? undefined,
    text: parameters.get("q") ?? "",
    sort: isSortKey(sort) ? sort : allUnits.sort,
    descending: parameters.get("order") === "desc",
  };
}

function formatFilter({ phase, machine, text, sort, descending }: UnitFilter): string {
  const parameters = new URLSearchParams();
  if (phase !== undefined) parameters.set("state", phase);
  if (machine !== undefined) parameters.set("machine", machine);
  if (text !== "") parameters.set("q", text);
  if (sort !== allUnits.sort) parameters.set("sort", sort);
  if (descending) parameters.set("order", "desc");
  return parameters.size === 0 ? "" : `?${parameters}`;
}

function isSortKey(text: string): text is SortKey {
  return sortKeys.some((key) => key === text);
}

/** Somebody may have typed it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
