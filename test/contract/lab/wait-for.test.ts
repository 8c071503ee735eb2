import { waitFor } from "@fleet/lab";
import { describe, expect, it } from "vitest";

describe("waiting in a lab", () => {
  it("returns what it waited for", async () => {
    let looks = 0;
    const { value } = await waitFor({
      what: "the third look",
      probe: async () => {
        looks += 1;
        if (looks === 1) throw new Error("not even there yet");
        return looks;
      },
      until: (seen) => seen === 3,
      timeoutMs: 5_000,
    });
    expect(value).toBe(3);
  });

  it("says what it waited for, what it saw last, and what may explain it", async () => {
    const waiting = waitFor({
      what: "the moon",
      probe: async () => ({ moons: 0 }),
      until: ({ moons }) => moons > 0,
      timeoutMs: 50,
      context: () => "the log of the sky",
    });
    await expect(waiting).rejects.toThrow(
      /50 ms for the moon\nlast seen: \{\n {2}"moons": 0\n\}\nthe log of the sky/,
    );
  });

  it("ends at once when it is aborted", async () => {
    const ending = new AbortController();
    const waiting = waitFor({
      what: "never",
      probe: async () => ending.abort(new Error("enough")),
      until: () => false,
      timeoutMs: 60_000,
      signal: ending.signal,
    });
    await expect(waiting).rejects.toThrow("enough");
  });
});
