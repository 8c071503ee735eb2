#!/usr/bin/env node
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { Script } = require("node:vm");

// V8 takes longer to read the code than a short command takes to run. Here it finds what it made of the code when that
// was bundled, in the file that the source names at its end; a V8 of another version passes it over and reads the code.
const filename = join(__dirname, "../bundle/main.cjs");
const source = readFileSync(filename, "latin1");
const cachedData = readIfThere(join(__dirname, "../bundle", source.slice(source.lastIndexOf("/") + 1)));
new Script(source, { filename, cachedData }).runInThisContext()(createRequire(filename));

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file);
  } catch {
    // It only saves time, and a build that goes on meanwhile may just have removed it.
    return undefined;
  }
}
