import { spawnSync } from "node:child_process";

/** Why what promtool (of Debian's package prometheus) is to check is skipped; undefined: it is there. */
export const withoutPromtool: string | undefined =
  spawnSync("promtool", ["--version"]).error === undefined
    ? undefined
    : "promtool is not installed (Debian: apt-get install prometheus)";

/** Runs it and returns all it said. Fails, with that, unless it exits with 0. */
export function promtool(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync("promtool", [...args], { input, encoding: "utf8" });
  const said = `${stdout}${stderr}`;
  if (status !== 0) throw new Error(`promtool ${args.join(" ")}: exit code ${status}\n${said}`);
  return said;
}
