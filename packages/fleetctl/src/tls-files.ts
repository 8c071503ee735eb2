import { readFile } from "node:fs/promises";
import { errorMessage } from "@fleet/runtime";
import type { FlagValues } from "./cli/flag.ts";
import { CommandFailure } from "./failure.ts";

/** PEM texts of the files that the flags name. */
export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads the files that the flags name, each from the first of its flags that is set. Throws CommandFailure for a
 * file that cannot be read, and for a certificate without key.
 */
export async function readTlsFiles(
  flags: FlagValues,
  names: { readonly ca: Names; readonly cert: Names; readonly key: Names },
): Promise<TlsTexts> {
  const [ca, cert, key] = await Promise.all([
    readPem(flags, names.ca),
    readPem(flags, names.cert),
    readPem(flags, names.key),
  ]);
  if ((cert === undefined) !== (key === undefined)) {
    throw new CommandFailure("Unable to initialize client: --cert-file and --key-file belong together");
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

type Names = readonly string[];

async function readPem(flags: FlagValues, names: Names): Promise<string | undefined> {
  const flag = names.find((name) => flags.text(name) !== "");
  if (flag === undefined) return undefined;
  try {
    return await readFile(flags.text(flag), "utf8");
  } catch (error) {
    throw new CommandFailure(`Unable to initialize client: --${flag}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
