import { describe, expect, it } from "vitest";
import { endpointText, parseEndpoints } from "../../../packages/api/src/client/endpoint.ts";

describe("parseEndpoints", () => {
  it.each([
    ["http://a:1", ["http://a:1"]],
    ["http://a:1,https://b", ["http://a:1", "https://b:443"]],
    [" unix:///run/x.sock , http://[::1]:2 ,", ["unix:///run/x.sock", "http://[::1]:2"]],
    ["file:///run/x.sock", ["unix:///run/x.sock"]],
  ])("%s", (text, expected) => {
    const parsed = parseEndpoints(text);
    expect(parsed.ok && parsed.value.map(endpointText)).toEqual(expected);
  });

  it.each([
    ["", 'invalid endpoint ""'],
    [",", 'invalid endpoint ""'],
    ["http://a,nonsense", 'invalid endpoint "nonsense"'],
    ["http://a,unix://var/run/x", "unix:///var/run/x (three slashes)"],
  ])("refuses %j", (text, problem) => {
    expect(parseEndpoints(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });
});
