import { AbortedError, errorCode, errorMessage, FleetError, throwIfAborted } from "@fleet/runtime";
import { describe, expect, test } from "vitest";

describe("errorCode and errorMessage", () => {
  const cases: readonly { thrown: unknown; code: string; message: string }[] = [
    { thrown: new FleetError("unit_unknown", "no such unit"), code: "unit_unknown", message: "no such unit" },
    { thrown: Object.assign(new Error("no file"), { code: "ENOENT" }), code: "ENOENT", message: "no file" },
    { thrown: new TypeError("odd"), code: "unknown", message: "odd" },
    { thrown: Object.assign(new Error("grpc"), { code: 14 }), code: "unknown", message: "grpc" },
    {
      thrown: Object.assign(new AggregateError([new Error("connect ::1"), new Error("connect 127.0.0.1")]), {
        code: "ECONNREFUSED",
      }),
      code: "ECONNREFUSED",
      message: "connect ::1; connect 127.0.0.1",
    },
    { thrown: "text", code: "unknown", message: "text" },
    { thrown: undefined, code: "unknown", message: "undefined" },
    { thrown: null, code: "unknown", message: "null" },
  ];
  test.each(cases)("$thrown", ({ thrown, code, message }) => {
    expect(errorCode(thrown)).toBe(code);
    expect(errorMessage(thrown)).toBe(message);
  });
});

test("an error is not retryable unless it says so", () => {
  expect(new FleetError("x", "x").retryable).toBe(false);
  expect(new FleetError("x", "x", { retryable: true }).retryable).toBe(true);
});

test("throwIfAborted throws only after the signal has fired, with its reason as the cause", () => {
  expect(() => throwIfAborted(new AbortController().signal)).not.toThrow();
  expect(() => throwIfAborted(AbortSignal.abort("why"))).toThrow(AbortedError);
  expect(new AbortedError("why").cause).toBe("why");
});
