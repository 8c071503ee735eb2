import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { shellLine } from "../../../../packages/fleetctl/src/remote/shell-words.ts";

describe("shellLine", () => {
  it.each([
    [["systemctl", "status", "hello@1.service"], "systemctl status hello@1.service"],
    [["a\\x2db.mount"], "'a\\x2db.mount'"],
    [["it's", ""], "'it'\\''s' ''"],
    [["$(reboot)", "a b", "*"], "'$(reboot)' 'a b' '*'"],
  ])("%j", (words, line) => {
    expect(shellLine(words)).toBe(line);
  });

  it("is read back by a shell word for word", () => {
    const words = ["a\\x2db", "it's", "", "$HOME", "`id`", "a  b", '"', "\n", "~", "#", "é", "!", "%h", "-n"];
    const line = `for word in ${shellLine(words)}; do printf '%s\\0' "$word"; done`;
    expect(execFileSync("sh", ["-c", line], { encoding: "utf8" }).split("\0").slice(0, -1)).toEqual(words);
  });
});
