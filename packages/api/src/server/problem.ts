import { errorCode, errorMessage, FleetError } from "@fleet/runtime";
import { message } from "../contract/messages.ts";

/** A request that is refused with this status and message. */
export class Problem extends FleetError {
  readonly status: number;

  constructor(status: number, text: string) {
    super("request_refused", text);
    this.name = "Problem";
    this.status = status;
  }
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  /** The fault is the daemon's own: worth a line in the log. */
  readonly unexpected: boolean;
}

/** Codes of failures that mean the same to a client as etcd being away. */
const away: ReadonlySet<string> = new Set([
  "etcd_unavailable",
  "etcd_timeout",
  "cache_behind",
  "api_deadline",
  // Nothing has been heard of the store since the daemon started.
  "cluster_unverified",
]);

/** Status and message for anything thrown while serving a request. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Problem) return refusal(error.status, error.message);
  const code = errorCode(error);
  if (away.has(code)) return refusal(503, message.etcdAway);
  if (code === "etcd_no_space") return refusal(503, message.etcdFull(errorMessage(error)));
  if (code === "etcd_too_large") return refusal(413, message.bodyTooLarge);
  if (code.startsWith("etcd_")) return refusal(503, `${message.etcdAway}: ${errorMessage(error)}`);
  // The cluster guard refuses everything until the store is trusted again; its message says why.
  if (code.startsWith("cluster_")) return refusal(503, message.frozen(errorMessage(error)));
  if (code === "unit_contended") return refusal(503, errorMessage(error));
  if (code === "record_corrupt") return { status: 500, message: errorMessage(error), unexpected: true };
  return frameworkRefusal(error, code) ?? { status: 500, message: message.internal, unexpected: true };
}

/** Fastify's own errors while it reads a request. */
function frameworkRefusal(error: unknown, code: string): Refusal | undefined {
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return refusal(413, message.bodyTooLarge);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return refusal(415, message.contentType);
    case "FST_ERR_MAX_PARAM_LENGTH":
      return refusal(404, message.notFound);
  }
  if (error instanceof SyntaxError) return refusal(400, message.undecodable(error.message));
  if (!(error instanceof Error) || !("statusCode" in error) || typeof error.statusCode !== "number") {
    return undefined;
  }
  return error.statusCode < 500 ? refusal(error.statusCode, error.message) : undefined;
}

function refusal(status: number, text: string): Refusal {
  return { status, message: text, unexpected: false };
}
