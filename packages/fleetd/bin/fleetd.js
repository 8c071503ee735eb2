#!/usr/bin/env -S node --max-semi-space-size=4
import module from "node:module";

// V8's young generation grows to 32 MB (two semi-spaces of 16) in one burst of work and never shrinks; with 4 it takes about as long
// and leaves an idle fleetd some 35 MB smaller. A flag can only be given to Node itself.

// Node >= 22.1 keeps compiled code between starts; older versions simply lack the call.
module.enableCompileCache?.();
await import("../bundle/program/fleetd.mjs");
