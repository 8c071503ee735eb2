import { describe, expect, test } from "vitest";
import { type Arguments, parseArguments } from "../../../packages/fleetd/src/arguments.ts";

describe("parseArguments", () => {
  const cases: readonly { argv: readonly string[]; expected: Arguments }[] = [
    { argv: [], expected: { command: "run", configPath: undefined } },
    { argv: ["--config", "/a.conf"], expected: { command: "run", configPath: "/a.conf" } },
    { argv: ["--config=/a=b.conf"], expected: { command: "run", configPath: "/a=b.conf" } },
    { argv: ["-config", "/a.conf"], expected: { command: "run", configPath: "/a.conf" } },
    { argv: ["--config", "/a", "--config", "/b"], expected: { command: "run", configPath: "/b" } },
    { argv: ["--version"], expected: { command: "version" } },
    { argv: ["-version"], expected: { command: "version" } },
    { argv: ["version"], expected: { command: "version" } },
    { argv: ["--config", "/a.conf", "version"], expected: { command: "version" } },
    { argv: ["--help"], expected: { command: "help" } },
    { argv: ["-h"], expected: { command: "help" } },
  ];
  test.each(cases)("$argv", ({ argv, expected }) => {
    expect(parseArguments(argv)).toEqual(expected);
  });

  const wrong: readonly { argv: readonly string[]; problem: string }[] = [
    { argv: ["--config"], problem: "--config needs the path of a file" },
    { argv: ["--config="], problem: "--config= needs the path of a file" },
    { argv: ["--verbosity=1"], problem: 'unknown argument "--verbosity=1"' },
    { argv: ["--version=1"], problem: 'unknown argument "--version=1"' },
    { argv: ["start"], problem: 'unknown argument "start"' },
    { argv: [""], problem: 'unknown argument ""' },
    { argv: ["--"], problem: 'unknown argument "--"' },
    { argv: ["Version"], problem: 'unknown argument "Version"' },
    { argv: ["--config", "/a.conf", "/b.conf"], problem: 'unknown argument "/b.conf"' },
  ];
  test.each(wrong)("refuses $argv", ({ argv, problem }) => {
    expect(parseArguments(argv)).toEqual({ command: "wrong", problem });
  });
});
