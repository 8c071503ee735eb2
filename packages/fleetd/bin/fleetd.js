#!/usr/bin/env node
import module from "node:module";

// Node >= 22.1 keeps compiled code between starts; older versions simply lack the call.
module.enableCompileCache?.();
await import("../bundle/program/fleetd.mjs");
