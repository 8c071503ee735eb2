import { useEffect, useState } from "preact/hooks";
import { formatRoute, parseRoute, type Route } from "../model/index.ts";

/** The route in the address. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const update = (): void => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}

/** Changes the route in place: a filter is no step that one would want to go back by. */
export function replaceRoute(route: Route): void {
  history.replaceState(null, "", formatRoute(route));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
