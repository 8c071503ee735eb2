import { readFileSync } from "node:fs";
import { z } from "zod";

/** The version of this fleetd: the package's own, so that it is stated in one place. */
export const version: string = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))).version;
