import { once } from "node:events";
import { setImmediate, setTimeout } from "node:timers/promises";
import { isatty, type ReadStream, type WriteStream } from "node:tty";
import type { Talk } from "../output/talk.ts";
import type { Terminal } from "./terminal.ts";

/** Where nothing tells the size. */
const usual = { rows: 24, columns: 80 };

/** Where no shell looks after it, as below `ssh -t`, the kernel does not stop the process: still running then, it goes on. */
const notStoppedMs = 100;

/** The terminal of this process. Keys are heard when stdin is one as well. */
export function processTerminal(
  stdin: Pick<ReadStream, "setRawMode" | "on" | "off" | "resume" | "pause">,
  stdout: Pick<WriteStream, "rows" | "columns" | "write" | "on" | "off">,
  talk: Talk,
): Terminal {
  const hasKeys = isatty(0);
  return {
    size: () => ({ rows: stdout.rows || usual.rows, columns: stdout.columns || usual.columns }),
    write: (text) => {
      stdout.write(text);
    },
    take: ({ typed, resized }, restore) => {
      const onData = (bytes: Buffer): void => typed(bytes.toString("latin1"));
      const onExit = (): void => {
        stdout.write(restore);
      };
      talk.hold();
      stdout.on("resize", resized);
      process.on("exit", onExit);
      if (hasKeys) {
        stdin.setRawMode(true);
        stdin.on("data", onData);
        stdin.resume();
      }
      return () => {
        stdout.off("resize", resized);
        process.off("exit", onExit);
        talk.release();
        if (!hasKeys) return;
        stdin.off("data", onData);
        stdin.setRawMode(false);
        // It would keep the process alive.
        stdin.pause();
      };
    },
    suspend: async () => {
      const over = new AbortController();
      const { signal } = over;
      const continued = Promise.race([
        once(process, "SIGCONT", { signal }),
        setTimeout(notStoppedMs, undefined, { signal }),
      ]);
      process.kill(process.pid, "SIGTSTP");
      await continued;
      over.abort();
      // A signal that ends the process, with which a shell continues a stopped job, is heard after this one.
      await setImmediate();
    },
  };
}
