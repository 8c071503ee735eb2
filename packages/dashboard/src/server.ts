import type { ApiExplanation, ApiUnit, ErrorBody } from "@fleet/api/contract";

/** What fleetd tells the page about itself. */
export interface Settings {
  /** Whether the page may change what is wanted of units. */
  readonly actions: boolean;
}

/** Longest that fleetd may take for an answer, in milliseconds: it gives up itself after half of it. */
const patienceMs = 5_000;

export type Answer<Value> =
  | { readonly kind: "value"; readonly value: Value }
  /** There is no such thing, or this fleetd does not know how to tell. */
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly message: string };

/** Undefined when fleetd does not answer. */
export async function readSettings(): Promise<Settings | undefined> {
  const answer = await get<Settings>("config.json");
  return answer.kind === "value" ? answer.value : undefined;
}

export function readUnit(name: string): Promise<Answer<ApiUnit>> {
  return get(`/fleet/v1/units/${encodeURIComponent(name)}`);
}

export function readExplanation(name: string): Promise<Answer<ApiExplanation>> {
  return get(`/fleet/v1/units/${encodeURIComponent(name)}/explanation`);
}

/** Undefined when it was accepted, else what is wrong. */
export async function setTargetState(
  name: string,
  desiredState: ApiUnit["desiredState"],
): Promise<string | undefined> {
  try {
    const response = await fetch(`/fleet/v1/units/${encodeURIComponent(name)}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ desiredState }),
      signal: AbortSignal.timeout(patienceMs),
    });
    return response.ok ? undefined : await refusal(response);
  } catch {
    return unanswered;
  }
}

const unanswered = "fleetd does not answer";

/** The answers are not checked: they come from the server that the page came from. */
async function get<Value>(url: string): Promise<Answer<Value>> {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(patienceMs) });
    if (response.status === 404) return { kind: "absent" };
    if (!response.ok) return { kind: "failed", message: await refusal(response) };
    const value: Value = await response.json();
    return { kind: "value", value };
  } catch {
    return { kind: "failed", message: unanswered };
  }
}

async function refusal(response: Response): Promise<string> {
  try {
    const body: ErrorBody = await response.json();
    return body.error.message;
  } catch {
    return `fleetd answers ${response.status}`;
  }
}
