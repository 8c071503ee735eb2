import { systemClock } from "@fleet/runtime";
import { run } from "./run.ts";

const interrupt = new AbortController();
// A second Ctrl-C ends the process at once.
process.once("SIGINT", () => interrupt.abort());
// `fleetctl list-units | head -1` closes stdout early: nobody is left to be told.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

// The exit code is set and the process left to end by itself: stdout may be a pipe that is still being read.
process.exitCode = await run(process.argv.slice(2), {
  environment: process.env,
  print: (text) => {
    process.stdout.write(text);
  },
  say: (line) => {
    process.stderr.write(`${line}\n`);
  },
  clock: systemClock,
  signal: interrupt.signal,
});
