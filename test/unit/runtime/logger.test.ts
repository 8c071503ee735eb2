import { LineLogger, type LogFields, type LogLevel, silentLogger } from "@fleet/runtime";
import { describe, expect, test } from "vitest";

function logged(journal = false, level: () => LogLevel = () => "debug") {
  const lines: string[] = [];
  const logger = new LineLogger({ write: (line) => lines.push(line), now: () => 0, level, journal });
  return { logger, lines };
}

describe("LineLogger", () => {
  const fieldCases: readonly { what: string; fields: LogFields; text: string }[] = [
    {
      what: "plain values",
      fields: { unit: "a.service", count: 2, ok: true },
      text: "unit=a.service count=2 ok=true",
    },
    { what: "lists", fields: { units: ["a.service", "b.service"] }, text: "units=a.service,b.service" },
    { what: "undefined: left out", fields: { unit: undefined, count: 1 }, text: "count=1" },
    { what: "blanks", fields: { message: "it is down" }, text: 'message="it is down"' },
    { what: "an empty value", fields: { ip: "" }, text: 'ip=""' },
    { what: "a faked field", fields: { message: 'x"y=z' }, text: 'message="x\\"y=z"' },
    { what: "a faked line", fields: { message: "x\n<0>panic" }, text: 'message="x\\n<0>panic"' },
  ];
  test.each(fieldCases)("writes $what", ({ fields, text }) => {
    const { logger, lines } = logged(true);
    logger.info("happened", fields);
    expect(lines).toEqual([`<6>happened ${text}\n`]);
  });

  test("gives every level its syslog priority in the journal", () => {
    const { logger, lines } = logged(true);
    logger.error("e");
    logger.warn("w");
    logger.info("i");
    logger.debug("d");
    expect(lines).toEqual(["<3>e\n", "<4>w\n", "<6>i\n", "<7>d\n"]);
  });

  test("states time and level elsewhere", () => {
    const { logger, lines } = logged();
    logger.warn("happened");
    expect(lines).toEqual(["1970-01-01T00:00:00.000Z warn happened\n"]);
  });

  test("drops what is below the level, which may change while it runs", () => {
    let level: LogLevel = "warn";
    const { logger, lines } = logged(true, () => level);
    logger.info("dropped");
    level = "info";
    logger.info("kept");
    logger.debug("dropped");
    expect(lines).toEqual(["<6>kept\n"]);
  });

  test("a child adds its fields to every line, the line's own win", () => {
    const { logger, lines } = logged(true);
    const child = logger.child({ machine: "m1" }).child({ unit: "a.service" });
    child.info("happened");
    child.info("happened", { unit: "b.service" });
    expect(lines).toEqual([
      "<6>happened machine=m1 unit=a.service\n",
      "<6>happened machine=m1 unit=b.service\n",
    ]);
  });
});

test("silentLogger and its children write nothing and return themselves", () => {
  expect(silentLogger.child({ unit: "a.service" })).toBe(silentLogger);
});
