import { unitHash } from "@fleet/core";
import { describe, expect, it } from "vitest";
import { legend, options, sleeper, useFleetShell } from "./fleet-shell.ts";

const here = useFleetShell();
const { shell } = here;

describe("listings", () => {
  it("print the columns asked for, whole with --full", async () => {
    const content = options("[Unit]\nDescription=A\tunit\n");
    const hash = unitHash(content);
    here.fleet.add("a.service", content, "launched");
    expect((await shell("list-units --fields=unit,load,hash -no-legend")).stdout).toBe(
      `a.service\tloaded\t${hash.slice(0, 7)}\n`,
    );
    expect((await shell("list-units -l --fields machine,hash --no-legend")).stdout).toBe(
      `0acdd9bf00000000000000000000abcd/10.0.2.15\t${hash}\n`,
    );
    expect((await shell("list-unit-files --fields=unit,desc,global,tmachine --no-legend")).stdout).toBe(
      `a.service\tA unit\tfalse\t${legend}\n`,
    );
    expect((await shell("list-machines --full --no-legend --fields=machine")).stdout).toBe(
      "0acdd9bf00000000000000000000abcd\n",
    );
  });

  it.each(["list-machines", "list-units", "list-unit-files"])(
    "%s refuses an unknown column",
    async (verb) => {
      expect(await shell(`${verb} --fields=unit,foo,machine`)).toMatchObject({ code: 1, stdout: "" });
      expect((await shell(`${verb} --fields=foo`)).stderr).toBe('Invalid key in output format: "foo"\n');
      expect((await shell(`${verb} --fields=toString`)).stderr).toBe(
        'Invalid key in output format: "toString"\n',
      );
    },
  );

  it("show a global unit as such", async () => {
    here.fleet.add("g.service", options(`${sleeper}[X-Fleet]\nGlobal=true\n`), "inactive");
    const { stdout } = await shell("list-unit-files --no-legend --fields=unit,dstate,state,target,global");
    expect(stdout).toBe("g.service\tinactive\t-\tglobal\ttrue\n");
  });

  it("are JSON with --json", async () => {
    here.fleet.add("a.service", options(), "launched");
    const rows: unknown = JSON.parse((await shell("list-unit-files --json")).stdout);
    expect(rows).toMatchObject([{ name: "a.service", hash: unitHash(options()), currentState: "launched" }]);
    expect(JSON.parse((await shell("--json list-machines")).stdout)).toMatchObject([here.fleet.machine]);
    expect(JSON.parse((await shell("list-units -json")).stdout)).toMatchObject([
      { name: "a.service", systemdActiveState: "active" },
    ]);
  });
});
