import { promisify } from "node:util";
import zlib from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * Answers compressed with gzip for clients that ask for it, as fleet's own does. By hand: all answers are texts made
 * in one piece, and of what the plugin for this can do (streams, types, other encodings, compressed requests) nothing
 * is needed.
 */

/** Bytes. Smaller answers fit a packet or two either way. */
const worthwhileBytes = 1024;

/** Unit files are so repetitive that the fastest level leaves a tenth; the best one would take seconds for large pages. */
const level = zlib.constants.Z_BEST_SPEED;

const gzip = promisify(zlib.gzip);

/** An onSend hook. HEAD comes through it, too, and so has the headers of its GET. */
export async function compressed(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (typeof payload !== "string" && !Buffer.isBuffer(payload)) return payload;
  // Also on what is not compressed: a cache must not give it to clients that ask otherwise.
  void reply.header("Vary", "Accept-Encoding");
  if (Buffer.byteLength(payload) < worthwhileBytes) return payload;
  if (!takesGzip(request.headers["accept-encoding"])) return payload;
  void reply.header("Content-Encoding", "gzip").removeHeader("Content-Length");
  return gzip(payload, { level });
}

/** Whether gzip is named, or `*` that stands for it, and not with a weight of 0. */
function takesGzip(acceptEncoding: string | string[] | undefined): boolean {
  const weights = new Map<string, number>();
  for (const entry of String(acceptEncoding ?? "").split(",")) {
    const [coding = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice("q=".length);
    weights.set(coding, weight === undefined ? 1 : Number(weight));
  }
  return (weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0) > 0;
}
