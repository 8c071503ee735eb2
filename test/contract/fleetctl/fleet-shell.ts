import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseUnitFile, type UnitOption } from "@fleet/core";
import { afterEach, beforeEach } from "vitest";
import { acceleratedClock, fleetctl, type Outcome } from "./command-line.ts";
import { ScriptedFleet } from "./scripted-fleet.ts";

export const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";
/** The scripted fleet's first machine as fleetctl shows it. */
export const legend = "0acdd9bf.../10.0.2.15";

export function options(text = sleeper): readonly UnitOption[] {
  const parsed = parseUnitFile(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.value;
}

/** A shell in a directory of its own, with fleetctl pointed at a server that knows only fleet 1.0's API. */
class FleetShell {
  fleet = new ScriptedFleet();
  endpoint = "";
  directory = "";

  async open(): Promise<void> {
    this.fleet = new ScriptedFleet();
    this.endpoint = await this.fleet.listen();
    this.directory = await mkdtemp(join(tmpdir(), "fleetctl-"));
  }

  async close(): Promise<void> {
    await this.fleet.close();
    await rm(this.directory, { recursive: true });
  }

  /** Runs a command line; its words are split at blanks, `./` stands for the shell's directory. */
  readonly shell = (line: string): Promise<Outcome> => {
    const args = line.split(" ").map((word) => (word.startsWith("./") ? join(this.directory, word) : word));
    return fleetctl(this.endpoint, args, { clock: acceleratedClock(5) });
  };

  readonly file = async (name: string, text = sleeper): Promise<void> => {
    await writeFile(join(this.directory, name), text);
  };
}

/** A fresh one for each test of the file. */
export function useFleetShell(): FleetShell {
  const here = new FleetShell();
  beforeEach(() => here.open());
  afterEach(() => here.close());
  return here;
}
