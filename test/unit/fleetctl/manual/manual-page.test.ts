import { describe, expect, it } from "vitest";
import { commands, findCommand } from "../../../../packages/fleetctl/src/cli/commands/commands.ts";
import { commandDocument } from "../../../../packages/fleetctl/src/manual/documents.ts";
import { manualPage } from "../../../../packages/fleetctl/src/manual/manual-page.ts";
import { allPages } from "../../../../packages/fleetctl/src/manual/pages.ts";
import { plainText } from "../../../../packages/fleetctl/src/manual/plain-text.ts";

const document = {
  name: "fleetctl-x",
  summary: "does x",
  sections: [
    { title: "USAGE", blocks: [{ kind: "usage" as const, text: "fleetctl x 'a@*'" }] },
    {
      title: "DESCRIPTION",
      blocks: [{ kind: "paragraph" as const, text: ".service may be left out; \\x2d is a dash -" }],
    },
    { title: "OPTIONS", blocks: [{ kind: "terms" as const, terms: [["--full", "All of it"] as const] }] },
    { title: "FILES", onlyInManual: true as const, blocks: [{ kind: "paragraph" as const, text: "None." }] },
    { title: "EXAMPLES", blocks: [] },
  ],
};

describe("a manual page", () => {
  it("holds nothing that roff would obey or replace", () => {
    expect(manualPage(document, { version: "1.0", related: ["a", "b"] })).toBe(
      [
        '.TH FLEETCTL-X 1 "" "fleet 1.0" "fleet"',
        ".SH NAME",
        "fleetctl\\-x \\- does x",
        ".SH SYNOPSIS",
        ".nf",
        "fleetctl x \\(aqa@*\\(aq",
        ".fi",
        ".SH DESCRIPTION",
        "\\&.service may be left out; \\(rsx2d is a dash \\-",
        ".SH OPTIONS",
        ".TP",
        ".B \\-\\-full",
        "All of it",
        ".SH FILES",
        "None.",
        "",
      ].join("\n"),
    );
  });

  it("is there for each command that help shows, with the same text", () => {
    const pages = allPages();
    const shown = commands.filter(({ hidden }) => hidden !== true);
    expect(Object.keys(pages).sort()).toEqual(
      ["fleetctl.1", ...shown.map(({ name }) => `fleetctl-${name}.1`)].sort(),
    );
    expect(pages["fleetctl-start.1"]).toContain("templates left out");
    expect(plainText(commandDocument(findCommand("start")))).toContain("templates left out");
  });
});

describe("help", () => {
  it("shows the document without what only the manual has", () => {
    expect(plainText(document)).toBe(
      [
        "NAME:",
        "    x - does x",
        "",
        "USAGE:",
        "    fleetctl x 'a@*'",
        "",
        "DESCRIPTION:",
        "    .service may be left out; \\x2d is a dash -",
        "",
        "OPTIONS:",
        "    --full  All of it",
        "",
      ].join("\n"),
    );
  });

  it.each(
    commands.filter(({ hidden }) => hidden !== true).map((command) => [command.name, command] as const),
  )("of %s fits a terminal, and says what each flag does", (_name, command) => {
    const lines = plainText(commandDocument(command)).split("\n");
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    for (const flag of command.flags) if (flag.hidden !== true) expect(flag.help).not.toBe("");
  });
});
