/** The connection through a tunnel could not be made, or has broken. */
export class TunnelFailure extends Error {
  /** As of a connection that the other side has reset, when it had been in use: a reading request may be sent again. */
  readonly code: "ECONNRESET" | "ETUNNEL";
  /** Lines that help to put it right. */
  readonly hints: readonly string[];

  constructor(
    message: string,
    options: { readonly wasUp: boolean; readonly hints?: readonly string[]; readonly cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TunnelFailure";
    this.code = options.wasUp ? "ECONNRESET" : "ETUNNEL";
    this.hints = options.hints ?? [];
  }
}
