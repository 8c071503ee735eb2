import { readFile } from "node:fs/promises";
import { ConfigError, type ConfigFile } from "./config.ts";
import { errorCode, errorMessage } from "./errors.ts";

/**
 * Reads a configuration file. One that does not exist is undefined when it is `optional`; whatever else keeps
 * it from being read throws ConfigError.
 */
export async function readConfigFile(
  path: string,
  { optional }: { readonly optional: boolean },
): Promise<ConfigFile | undefined> {
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (error) {
    if (optional && errorCode(error) === "ENOENT") return undefined;
    throw new ConfigError([`cannot read the configuration file ${path}: ${reason(error)}`], error);
  }
}

function reason(error: unknown): string {
  switch (errorCode(error)) {
    case "ENOENT":
      return "it does not exist";
    case "EISDIR":
      return "it is a directory";
    case "EACCES":
      return "permission denied";
    default:
      return errorMessage(error);
  }
}
