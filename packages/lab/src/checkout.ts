import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FleetError } from "@fleet/runtime";

/** Root directory of the checkout that this lab belongs to; the programs are its own. */
export const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));

/** Path of fleetd or fleetctl as built in this checkout. */
export function programOf(name: "fleetd" | "fleetctl"): string {
  return join(CHECKOUT, "node_modules", ".bin", name);
}

/** Fails with `lab_build` when the programs are not built. */
export function requireBuild(): void {
  const missing = [join(CHECKOUT, "packages/fleetd/bundle/program/fleetd.mjs"), programOf("fleetctl")].filter(
    (path) => !existsSync(path),
  );
  if (missing.length > 0) {
    throw new FleetError("lab_build", `not built: ${missing.join(", ")}. Run: npm ci && npm run build`);
  }
}
