import { describe, expect, it } from "vitest";
import { commands } from "../../../packages/fleetctl/src/cli/commands/commands.ts";
import type { Flag } from "../../../packages/fleetctl/src/cli/flag.ts";
import { globalFlags } from "../../../packages/fleetctl/src/cli/global-flags.ts";
import { useFleetShell } from "../fleetctl/fleet-shell.ts";
import { fleetSurface, readCompatibilityPage } from "./compatibility-page.ts";

const tables = readCompatibilityPage();

/** What the page says is there (`served`), was there in fleet 1.0 (`known`), or both. */
function listed(heading: string): { readonly served: readonly string[]; readonly known: readonly string[] } {
  const rows = tables.get(heading) ?? [];
  return {
    served: rows
      .filter(({ verdict }) => verdict !== "not")
      .map(({ what }) => what)
      .sort(),
    known: rows
      .filter(({ verdict }) => verdict !== "new")
      .map(({ what }) => what)
      .sort(),
  };
}

/** `--no-block`, and `-l` for what also has one letter. */
function spellings(flag: Flag): readonly string[] {
  return [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
}

function spelling(flag: string): string {
  return flag.length === 1 ? `-${flag}` : `--${flag}`;
}

describe("the page and fleetctl agree on", () => {
  const shown = commands.filter(({ name }) => !name.startsWith("__"));

  it("every command and every flag of it", () => {
    const served = shown.flatMap(({ name, flags }) => [
      name,
      ...flags.flatMap(spellings).map((flag) => `${name} ${flag}`),
    ]);
    expect(listed("Commands and their flags").served).toEqual([...served].sort());
  });

  it("every global flag", () => {
    expect(listed("Global flags").served).toEqual(globalFlags.flatMap(spellings).sort());
  });

  it("every column", async () => {
    const columns = shown.flatMap(({ name, flags }) => {
      const { help = "" } = flags.find((flag) => flag.name === "fields") ?? {};
      const known = /Known: (.*)$/.exec(help)?.[1]?.split(", ") ?? [];
      return known.map((column) => `${name} ${column}`);
    });
    expect(listed("Columns").served).toEqual([...columns].sort());
  });
});

describe("the page and fleet 1.0 agree on", () => {
  it("every command and every flag of it", () => {
    const known = Object.entries(fleetSurface.commands).flatMap(([name, flags]) => [
      name,
      ...flags.map((flag) => `${name} ${spelling(flag)}`),
    ]);
    expect(listed("Commands and their flags").known).toEqual([...known].sort());
  });

  it("every global flag", () => {
    expect(listed("Global flags").known).toEqual(fleetSurface.globalFlags.map(spelling).sort());
  });

  it("every column", () => {
    const known = Object.entries(fleetSurface.columns).flatMap(([name, columns]) =>
      columns.map((column) => `${name} ${column}`),
    );
    expect(listed("Columns").known).toEqual([...known].sort());
  });
});

describe("against a server of fleet 1.0", () => {
  const here = useFleetShell();

  it.each(listed("Columns").served)("%s is printed", async (what) => {
    const [verb = "", column = ""] = what.split(" ");
    expect(await here.shell(`${verb} --fields=${column} --no-legend`)).toMatchObject({ code: 0, stderr: "" });
  });
});
