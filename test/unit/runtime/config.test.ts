import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConfigError,
  configOption,
  configSchema,
  readBoolean,
  readConfig,
  readConfigFile,
  readDuration,
  readInteger,
  readList,
} from "@fleet/runtime/config";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const schema = configSchema({
  verbosity: configOption("a whole number from 0 to 9", (text) => readInteger(text, 0, 9)).default(0),
  servers: configOption("a list", (text) => readList(text)).default(["http://127.0.0.1:2379"]),
  public_ip: configOption("text", (text) => text).optional(),
  systemd_user: configOption("true or false", readBoolean).default(false),
});

function read(text: string | undefined, environment: Record<string, string> = {}) {
  const file = text === undefined ? undefined : { path: "/etc/fleet/fleet.conf", text };
  return readConfig(schema, { file, environment, environmentPrefix: "FLEET_" });
}

function problems(text: string | undefined, environment: Record<string, string> = {}): readonly string[] {
  try {
    read(text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("readConfig", () => {
  const defaults = { verbosity: 0, servers: ["http://127.0.0.1:2379"], systemd_user: false };

  test("has the defaults without any source", () => {
    expect(read(undefined).options).toEqual(defaults);
  });

  const fileCases: readonly { text: string; expected: object }[] = [
    { text: "verbosity=2", expected: { verbosity: 2 } },
    { text: "  verbosity = 2  ", expected: { verbosity: 2 } },
    { text: 'verbosity="2"', expected: { verbosity: 2 } },
    { text: "verbosity='2'", expected: { verbosity: 2 } },
    { text: 'verbosity="2" ; louder', expected: { verbosity: 2 } },
    { text: "verbosity=2 # louder", expected: { verbosity: 2 } },
    { text: "# verbosity=2\n; verbosity=3\n", expected: {} },
    { text: "verbosity=1\nverbosity=2", expected: { verbosity: 2 } },
    { text: "verbosity=1\r\npublic_ip=10.0.0.1\r\n", expected: { verbosity: 1, public_ip: "10.0.0.1" } },
    { text: 'verbosity=\npublic_ip=""', expected: {} },
    { text: "systemd_user=true", expected: { systemd_user: true } },
    { text: 'servers=["http://a:1", "http://b:2"]', expected: { servers: ["http://a:1", "http://b:2"] } },
    { text: 'servers="http://a:1,http://b:2"', expected: { servers: ["http://a:1", "http://b:2"] } },
    { text: "public_ip=a=b", expected: { public_ip: "a=b" } },
    { text: 'public_ip="with # and ; in it"', expected: { public_ip: "with # and ; in it" } },
  ];
  test.each(fileCases)("reads $text", ({ text, expected }) => {
    expect(read(text).options).toEqual({ ...defaults, ...expected });
  });

  test("the environment wins over the file, and set to nothing brings the default back", () => {
    expect(read("verbosity=1", { FLEET_VERBOSITY: "2" }).options.verbosity).toBe(2);
    expect(read("verbosity=1", { FLEET_VERBOSITY: "" }).options.verbosity).toBe(0);
    expect(read("verbosity=1", { VERBOSITY: "2", FLEETCTL_VERBOSITY: "2" }).options.verbosity).toBe(1);
  });

  test("says which options were set", () => {
    expect([...read("verbosity=0\npublic_ip=", { FLEET_SYSTEMD_USER: "false" }).given]).toEqual([
      "verbosity",
      "systemd_user",
    ]);
  });

  test("names option, origin, value and what is accepted, for every problem at once", () => {
    expect(problems("verbosity=loud", { FLEET_SYSTEMD_USER: "maybe" })).toEqual([
      'verbosity (from /etc/fleet/fleet.conf): "loud" is not accepted: expected a whole number from 0 to 9',
      'systemd_user (from the environment variable FLEET_SYSTEMD_USER): "maybe" is not accepted: expected true or false',
    ]);
  });

  test("never repeats credentials", () => {
    const strict = configSchema({ servers: configOption("URLs without credentials", () => undefined) });
    const file = { path: "f", text: "servers=http://root:secret@a:1" };
    expect(() => readConfig(strict, { file, environment: {}, environmentPrefix: "FLEET_" })).toThrow(
      'servers (from f): "http://…@a:1" is not accepted: expected URLs without credentials',
    );
  });

  const warningCases: readonly { text?: string; environment?: Record<string, string>; warning: string }[] = [
    { text: "verbsity=1", warning: "unknown option verbsity in /etc/fleet/fleet.conf is ignored" },
    {
      text: "public-ip=10.0.0.1",
      warning: "unknown option public-ip in /etc/fleet/fleet.conf is ignored: did you mean public_ip?",
    },
    {
      text: "[fleet]\nverbosity=1",
      warning: "section [fleet] in /etc/fleet/fleet.conf is ignored: options stand outside of sections",
    },
    {
      environment: { FLEET_VERBSITY: "1" },
      warning: "unknown environment variable FLEET_VERBSITY is ignored",
    },
    {
      environment: { FLEET_verbosity: "1" },
      warning: "unknown environment variable FLEET_verbosity is ignored",
    },
  ];
  test.each(warningCases)("warns: $warning", ({ text, environment, warning }) => {
    const result = read(text, environment);
    expect(result.warnings).toEqual([warning]);
    expect(result.options).toEqual(defaults);
  });

  test("a relation between options is reported with the option it concerns", () => {
    const related = schema.check((context) => {
      if (context.value.systemd_user && context.value.public_ip === undefined) {
        context.issues.push({
          code: "custom",
          path: ["public_ip"],
          message: "must be set",
          input: undefined,
        });
      }
    });
    const sources = { file: undefined, environment: { X_SYSTEMD_USER: "1" }, environmentPrefix: "X_" };
    expect(() => readConfig(related, sources)).toThrow("public_ip: must be set");
  });

  test("no file makes it fail in any other way", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(problems(`verbosity=${text}\n${text}`)).toBeInstanceOf(Array);
      }),
    );
  });
});

describe("readDuration", () => {
  const cases: readonly [string, number | undefined][] = [
    ["30s", 30_000],
    ["500ms", 500],
    ["1m", 60_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["30", 30_000],
    ["1.0", 1_000],
    ["0", 0],
    ["0.25", 250],
    ["", undefined],
    ["s", undefined],
    ["30 s", undefined],
    ["-1s", undefined],
    ["1e3", undefined],
    ["soon", undefined],
    ["1d", undefined],
    ["1s2", undefined],
  ];
  test.each(cases)("%j is %j ms", (text, expected) => {
    expect(readDuration(text)).toBe(expected);
  });
});

describe("readInteger", () => {
  const cases: readonly [string, number | undefined][] = [
    ["0", 0],
    ["10", 10],
    ["+3", 3],
    ["11", undefined],
    ["-1", undefined],
    ["1.5", undefined],
    ["0x1", undefined],
    ["", undefined],
    ["one", undefined],
  ];
  test.each(cases)("%j from 0 to 10 is %j", (text, expected) => {
    expect(readInteger(text, 0, 10)).toBe(expected);
  });
});

describe("readBoolean", () => {
  const cases: readonly [string, boolean | undefined][] = [
    ["true", true],
    ["TRUE", true],
    ["yes", true],
    ["1", true],
    ["on", true],
    ["false", false],
    ["No", false],
    ["0", false],
    ["off", false],
    ["", undefined],
    ["maybe", undefined],
    ["truely", undefined],
  ];
  test.each(cases)("%j is %j", (text, expected) => {
    expect(readBoolean(text)).toBe(expected);
  });
});

describe("readList", () => {
  const cases: readonly [string, readonly string[]][] = [
    ["a,b", ["a", "b"]],
    [" a , b ", ["a", "b"]],
    ['["a", "b"]', ["a", "b"]],
    ["['a','b']", ["a", "b"]],
    ["[a, b]", ["a", "b"]],
    ['"a", "b"', ["a", "b"]],
    ["a,,b,", ["a", "b"]],
    ["[]", []],
    ["", []],
    ["http://[::1]:2379", ["http://[::1]:2379"]],
  ];
  test.each(cases)("%j is %j", (text, expected) => {
    expect(readList(text)).toEqual(expected);
  });
});

describe("readConfigFile", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleet-config-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("reads a file", async () => {
    const path = join(directory, "fleet.conf");
    await writeFile(path, "verbosity=1\n");
    expect(await readConfigFile(path, { optional: false })).toEqual({ path, text: "verbosity=1\n" });
  });

  test("a missing file is undefined where it is optional, else an error that says so", async () => {
    const path = join(directory, "missing.conf");
    expect(await readConfigFile(path, { optional: true })).toBeUndefined();
    await expect(readConfigFile(path, { optional: false })).rejects.toThrow(
      `cannot read the configuration file ${path}: it does not exist`,
    );
  });

  test.each([true, false])("a directory is an error (optional: %s)", async (optional) => {
    await expect(readConfigFile(directory, { optional })).rejects.toThrow(
      `cannot read the configuration file ${directory}: it is a directory`,
    );
  });
});
