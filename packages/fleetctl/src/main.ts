import { once } from "node:events";
import { isatty } from "node:tty";
import { systemClock } from "@fleet/runtime";
import { endingSignals } from "./interrupt.ts";
import type { Terminal } from "./live/terminal.ts";
import { Talk } from "./output/talk.ts";
import { run } from "./run.ts";

const interrupt = new AbortController();
// A second one ends the process at once.
for (const signal of endingSignals) process.once(signal, () => interrupt.abort(signal));
// `fleetctl list-units | head -1` closes stdout early. Nobody is left to be told; what was asked for is done all the same.
const closed: readonly unknown[] = ["EPIPE", "ERR_STREAM_DESTROYED"];
const unread = new AbortController();
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (closed.includes(error.code)) {
    unread.abort();
    return;
  }
  process.stderr.write(`fleetctl: cannot write to stdout: ${error.message}\n`);
  process.exit(1);
});
// Without a listener the command would end half done.
process.stderr.on("error", () => {});

const talk = new Talk((text) => process.stderr.write(text));

async function ask(question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({
    input: process.stdin,
    output: process.stderr,
    // Otherwise readline takes Ctrl-C for itself.
    terminal: false,
  });
  // The end of the input (Ctrl-D) closes the interface, and would leave the question open for ever.
  const ended = once(terminal, "close").then(() => "");
  try {
    return await Promise.race([terminal.question(question, { signal: interrupt.signal }), ended]);
  } finally {
    terminal.close();
  }
}

async function terminal(): Promise<Terminal> {
  return (await import("./live/process-terminal.ts")).processTerminal(process.stdin, process.stdout, talk);
}

const exited = run(process.argv.slice(2), {
  environment: process.env,
  print: (text) => {
    process.stdout.write(text);
  },
  say: talk.say,
  relay: (bytes) => {
    process.stderr.write(bytes);
  },
  isTerminal: { stdout: isatty(1), stderr: isatty(2) },
  ...(isatty(0) && isatty(2) ? { ask } : {}),
  clock: systemClock,
  signal: interrupt.signal,
  unread: unread.signal,
  ...(isatty(1) && process.env.TERM !== "dumb" ? { terminal } : {}),
});
// Not awaited, for the bundle is CommonJS. The process is left to end by itself: stdout may be a pipe still being read.
void exited.then((exitCode) => {
  process.exitCode = exitCode;
});
