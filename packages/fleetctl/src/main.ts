import { systemClock } from "@fleet/runtime";
import { run } from "./run.ts";

const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interrupt.abort(new Error(signal)));
}
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
