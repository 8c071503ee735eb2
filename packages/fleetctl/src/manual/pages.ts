import type { Command } from "../cli/commands/command.ts";
import { VERSION } from "../version.ts";
import { commandDocument, programDocument, shownCommands } from "./documents.ts";
import { manualPage } from "./manual-page.ts";

/** fleetctl(1) */
export function programPage(): string {
  const related = [...shownCommands().map(({ name }) => `fleetctl-${name}`), "systemctl"];
  return manualPage(programDocument(), { version: VERSION, related });
}

/** The page of a command: fleetctl-start(1) and so on. */
export function commandPage(command: Command): string {
  return manualPage(commandDocument(command), { version: VERSION, related: ["fleetctl", "systemctl"] });
}

/** All pages, by the names of their files: what the build writes. */
export function allPages(): Readonly<Record<string, string>> {
  const pages = shownCommands().map(
    (command) => [`fleetctl-${command.name}.1`, commandPage(command)] as const,
  );
  return { "fleetctl.1": programPage(), ...Object.fromEntries(pages) };
}
