import { readdirSync, readFileSync } from "node:fs";
import { eligibility, parseUnitFile, requirementsOf, serializeUnitFile, validateUnit } from "@fleet/core";
import { describe, expect, it } from "vitest";

const folder = new URL("../../../fixtures/coreos-units/", import.meta.url);
const names = readdirSync(folder).sort();

/** The lines that mean something to systemd: what must survive. */
function meaningful(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.trim() !== "" && !/^\s*[#;]/.test(line));
}

describe("units written for CoreOS machines", () => {
  it("are all here", () => {
    expect(names).toHaveLength(6);
  });

  it.each(names)("%s keeps its text, is valid and finds a machine", (file) => {
    const name = file.replace("@.", "@8080.");
    const text = readFileSync(new URL(file, folder), "utf8");
    const parsed = parseUnitFile(text);
    if (!parsed.ok) throw new Error(parsed.problem.message);
    const written = serializeUnitFile(parsed.value);
    expect(meaningful(written)).toEqual(meaningful(text));
    expect(parseUnitFile(written)).toEqual(parsed);
    expect(validateUnit(file, parsed.value)).toEqual({ problems: [], warnings: [] });
    expect(validateUnit(name, parsed.value)).toEqual({ problems: [], warnings: [] });

    const requirements = requirementsOf(name, parsed.value);
    const peers = requirements.machineOf.map((peer) => ({ name: peer, requirements: undefined }));
    const machine = { id: "0acdd9bf000000000000000000000001", metadata: new Map() };
    expect(eligibility({ name, requirements }, machine, peers)).toEqual({ verdict: "able" });
  });

  it("ask for what they were written to ask", () => {
    const asks = (file: string, name: string) => {
      const parsed = parseUnitFile(readFileSync(new URL(file, folder), "utf8"));
      return requirementsOf(name, parsed.ok ? parsed.value : []);
    };
    expect(asks("apache@.service", "apache@80.service").conflicts).toEqual(["apache@*.service"]);
    expect(asks("apache-secretary@.service", "apache-secretary@80.service").machineOf).toEqual([
      "apache@80.service",
    ]);
    expect(asks("hello.service", "hello.service").conflicts).toEqual(["hello.service"]);
    expect(asks("nginx.service", "nginx.service").machineOf).toEqual(["confdata.service"]);
  });
});
