#!/usr/bin/env node
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { Script } = require("node:vm");

// V8 takes longer to read the code than a short command takes to run. Here it finds what it made of the code when that
// was bundled; a V8 of another version passes it over and reads the code.
const filename = join(__dirname, "../bundle/main.cjs");
const source = readFileSync(filename, "latin1");
const cachedData = readFileSync(`${filename}.v8`);
new Script(source, { filename, cachedData }).runInThisContext()(createRequire(filename));
