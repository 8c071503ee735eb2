/** A command could not do what it was asked: said on stderr, exit code 1. */
export class CommandFailure extends Error {
  /** Lines that help to put it right. */
  readonly hints: readonly string[];

  constructor(
    message: string,
    options: { readonly hints?: readonly string[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CommandFailure";
    this.hints = options.hints ?? [];
  }
}

/** Puts what was being done before the message of a failure, as fleet does: `Error creating units: …`. */
export async function doing<Value>(what: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new CommandFailure(`Error ${what}: ${error.message}`, { hints: error.hints, cause: error.cause });
  }
}
