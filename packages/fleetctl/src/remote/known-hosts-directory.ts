import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage } from "@fleet/runtime";
import type { SshSettings } from "./ssh-settings.ts";

/** ssh makes no directory for known hosts but its own. */
export function makeKnownHostsDirectory({ hostKeys }: SshSettings, say: (line: string) => void): void {
  if (!hostKeys.check) return;
  const directory = dirname(hostKeys.files[0]);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    say(`WARNING: new host keys cannot be kept in ${directory}: ${errorMessage(error)}`);
  }
}
