import { styleText } from "node:util";

/** What the colour of a text says: something failed, is on its way, is no longer there, is new, has just changed; or it is a heading. */
export type Look = "failed" | "underway" | "gone" | "fresh" | "changed" | "heading";

/** Colours a text, or leaves it as it is. */
export type Paint = (look: Look | undefined, text: string) => string;

export const colorChoices = ["auto", "always", "never"] as const;

const styles = {
  failed: "red",
  underway: "yellow",
  gone: "dim",
  fresh: "green",
  changed: "inverse",
  heading: "bold",
} as const;

const plain: Paint = (_look, text) => text;

const colored: Paint = (look, text) =>
  // Whether the stream takes colours is decided below, where --color is known.
  look === undefined || text === "" ? text : styleText(styles[look], text, { validateStream: false });

/**
 * The colours for one stream. `choice` is what --color says; for `auto` NO_COLOR and FORCE_COLOR decide, then
 * whether the stream is a terminal that knows colours.
 */
export function paintFor(
  choice: string,
  environment: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): Paint {
  if (choice !== "auto") return choice === "always" ? colored : plain;
  // https://no-color.org: present and not empty, whatever it says.
  if (environment.NO_COLOR) return plain;
  const forced = environment.FORCE_COLOR;
  if (forced) return forced === "0" || forced === "false" ? plain : colored;
  return isTerminal && environment.TERM !== "dumb" ? colored : plain;
}
