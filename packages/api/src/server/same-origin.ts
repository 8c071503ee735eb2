import type { IncomingHttpHeaders } from "node:http";

/**
 * Whether a request comes from no page, or from one that this server has given out itself, by the name it was asked under.
 * Browsers name the page's origin with each request that changes something, and with each WebSocket.
 */
export function sameOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
