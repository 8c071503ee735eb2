import { fstatSync } from "node:fs";
import { errorCode, errorMessage } from "@fleet/runtime";
import { ConfigError } from "@fleet/runtime/config";
import { helpText, parseArguments } from "./arguments.ts";
import { runFleetd } from "./start-up.ts";
import { version } from "./version.ts";

const args = parseArguments(process.argv.slice(2));
switch (args.command) {
  case "version":
    process.stdout.write(`fleetd version ${version}\n`);
    break;
  case "help":
    process.stdout.write(helpText);
    break;
  case "wrong":
    process.stderr.write(`fleetd: ${args.problem}\n\n${helpText}`);
    process.exitCode = 2;
    break;
  case "run":
    process.exit(await run(args.configPath));
}

async function run(configPath: string | undefined): Promise<number> {
  // Neither a journal that restarts nor a closed pipe may end the daemon.
  process.stderr.on("error", () => {});
  process.stdout.on("error", () => {});
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  try {
    return await runFleetd(configPath, {
      pid: process.pid,
      environment: process.env,
      signals: process,
      journal: isJournal(process.env.JOURNAL_STREAM),
      writeError: (text) => process.stderr.write(text),
      print: (text) => process.stdout.write(text),
      exit: (code) => process.exit(code),
    });
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [errorMessage(error)];
    for (const problem of problems) process.stderr.write(`fleetd: ${problem}\n`);
    return 1;
  }
}

/** A state nobody thought of: end, leaving the units as they are, and let systemd start a fresh process. */
function crash(error: unknown): void {
  const trace = error instanceof Error ? error.stack : errorMessage(error);
  process.stderr.write(`fleetd: unexpected failure (${errorCode(error)}): ${trace}\n`);
  process.exit(1);
}

/** systemd.exec(5): the variable is inherited, so it says something about stderr only if it names that very file. */
function isJournal(stream: string | undefined): boolean {
  const { dev, ino } = fstatSync(process.stderr.fd);
  return stream === `${dev}:${ino}`;
}
