/** The release, as package.json has it: a constant, so that printing it reads no file. */
export const VERSION = "2.0.0-alpha.1";
