import { FleetError } from "@fleet/runtime";

/** The daemon answered with an error. */
export class FleetApiError extends FleetError {
  /** HTTP status of the answer. */
  readonly status: number;

  /** @param status HTTP status. @param text The message of the error body, or the status text without one. */
  constructor(status: number, text: string) {
    super("api_error", text, { retryable: status === 503 });
    this.name = "FleetApiError";
    this.status = status;
  }
}

/** No daemon answered: connection refused, broken or timed out. */
export class FleetUnreachableError extends FleetError {
  /** Whether a request may have reached a daemon: of a write it is then not known whether it was carried out. */
  readonly mayBeSent: boolean;

  constructor(text: string, cause?: unknown, mayBeSent = true) {
    super("api_unreachable", text, { retryable: true, cause });
    this.name = "FleetUnreachableError";
    this.mayBeSent = mayBeSent;
  }
}

/** What answered does not speak fleet's API. */
export class FleetProtocolError extends FleetError {
  constructor(text: string) {
    super("api_protocol", text);
    this.name = "FleetProtocolError";
  }
}
