import { useEffect, useState } from "preact/hooks";

/** As in the style sheets. */
const narrow = "(max-width: 640px)";

/** Whether the page is as narrow as on a phone. */
export function useNarrow(): boolean {
  const [matches, setMatches] = useState(() => matchMedia(narrow).matches);
  useEffect(() => {
    const query = matchMedia(narrow);
    const update = (): void => setMatches(query.matches);
    query.addEventListener("change", update);
    return () => query.removeEventListener("change", update);
  }, []);
  return matches;
}
