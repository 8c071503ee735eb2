import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

/** Debian's; no other is downloaded. */
const program = "/usr/bin/chromium";

/** Why there is no browser here, for the names of tests that are skipped; undefined: there is one. */
export function browserProblem(): string | undefined {
  return existsSync(program) ? undefined : `${program} is not installed: apt-get install chromium`;
}

export interface OpenBrowser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

interface Looks {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

/** A browser that knows nothing yet and talks to nobody but the server under test. */
export async function openBrowser({
  width = 1280,
  height = 800,
  dark = false,
}: Looks = {}): Promise<OpenBrowser> {
  const profile = await mkdtemp(join(tmpdir(), "fleet-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: program,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    locale: "en-GB",
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
