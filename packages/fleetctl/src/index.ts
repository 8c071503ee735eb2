export { run, type Surroundings } from "./run.ts";
export { VERSION } from "./version.ts";
