import { useState } from "preact/hooks";
import { allUnits, formatRoute, type Picture, type Route, type StreamState } from "../model/index.ts";
import { ConnectionPill } from "./connection.tsx";
import { applyTheme, storedTheme, themes } from "./theme.ts";

interface HeaderProps {
  readonly route: Route;
  readonly picture: Picture;
  readonly state: StreamState;
}

const sections = [
  { label: "Overview", href: formatRoute({ page: "overview", filter: allUnits }), pages: ["overview"] },
  { label: "Units", href: formatRoute({ page: "units", filter: allUnits }), pages: ["units", "unit"] },
  { label: "Machines", href: formatRoute({ page: "machines" }), pages: ["machines", "machine"] },
  { label: "Events", href: formatRoute({ page: "events" }), pages: ["events"] },
] as const;

export function Header({ route, picture, state }: HeaderProps) {
  return (
    <header class="header">
      <a class="brand" href="#/" aria-label="fleet, overview">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" class="brand-ground" />
          <path d="M7 7h18v4.4H7zM7 13.8h12v4.4H7zM7 20.6h15V25H7z" class="brand-bars" />
        </svg>
        fleet
      </a>
      <nav aria-label="Sections">
        {sections.map(({ label, href, pages }) => {
          const isHere = pages.some((page) => page === route.page);
          return (
            <a key={label} href={href} {...(isHere ? { "aria-current": "page" } : {})}>
              {label}
            </a>
          );
        })}
      </nav>
      <ConnectionPill state={state} picture={picture} />
      <ThemeSwitch />
    </header>
  );
}

const themeLabels = { auto: "as the system has it", light: "light", dark: "dark" } as const;

/** From automatic over light to dark, and round again. */
function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
  const label = `Colours: ${themeLabels[theme]}. Switch to ${themeLabels[next]}`;
  return (
    <button
      type="button"
      class="theme-switch"
      title={label}
      aria-label={label}
      onClick={() => {
        applyTheme(next);
        setTheme(next);
      }}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" class="line" />
        {theme === "auto" && <path d="M8 2a6 6 0 0 1 0 12Z" fill="currentColor" />}
        {theme === "dark" && <circle cx="8" cy="8" r="6" fill="currentColor" />}
      </svg>
    </button>
  );
}
