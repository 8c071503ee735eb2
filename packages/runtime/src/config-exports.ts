// The entry point `@fleet/runtime/config`: apart from the main one, so that only who reads configuration pays
// for loading zod and ini.
export {
  ConfigError,
  type ConfigFile,
  type ConfigSources,
  configOption,
  configSchema,
  type ReadConfig,
  readConfig,
} from "./config.ts";
export { readConfigFile } from "./config-file.ts";
export { readBoolean, readDuration, readInteger, readList, withoutQuotes } from "./config-values.ts";
