export const themes = ["auto", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const key = "fleet-theme";

export function storedTheme(): Theme {
  const stored = attempt(() => localStorage.getItem(key));
  return themes.find((theme) => theme === stored) ?? "auto";
}

/** `auto` follows the system. */
export function applyTheme(theme: Theme): void {
  const { dataset } = document.documentElement;
  if (theme === "auto") delete dataset.theme;
  else dataset.theme = theme;
  attempt(() => localStorage.setItem(key, theme));
}

/** A browser may refuse to store anything; the choice is then that of this page. */
function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
