/**
 * A failure with a stable code. Expected outcomes are values, not errors; an error means that something
 * which should have worked did not.
 */
export class FleetError extends Error {
  /** Stable, lower-case, underscore-separated: scripts, tests and metrics may rely on it. */
  readonly code: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FleetError";
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The stable code of any thrown value: a FleetError's own, Node's `code`, or `unknown`. */
export function errorCode(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return "unknown";
}

/** The message of any thrown value. */
export function errorMessage(error: unknown): string {
  // A host with several addresses of which none answers: Node's error for it has no message of its own.
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map(errorMessage).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** Thrown by whatever waits when its AbortSignal fires. */
export class AbortedError extends FleetError {
  constructor(cause?: unknown) {
    super("aborted", "aborted", { cause });
    this.name = "AbortedError";
  }
}

/** Throws AbortedError when the signal has fired. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new AbortedError(signal.reason);
}

/** Marks a branch that the types say cannot be reached. */
export function assertNever(value: never): never {
  throw new FleetError("unreachable", `unexpected value: ${JSON.stringify(value)}`);
}
