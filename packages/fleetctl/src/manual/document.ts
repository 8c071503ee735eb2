/** A text for readers, before it is known how they read it: on a terminal, or as a manual page. */
export interface Document {
  /** `fleetctl-start`. */
  readonly name: string;
  readonly summary: string;
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
  /** Only manual pages have it: on a terminal it would push the rest out of sight. */
  readonly onlyInManual?: true;
}

export type Block =
  | { readonly kind: "paragraph"; readonly text: string }
  /** How a command line is made up. */
  | { readonly kind: "usage"; readonly text: string }
  /** What is to be typed. */
  | { readonly kind: "command"; readonly text: string }
  /** Terms with what they mean. */
  | { readonly kind: "terms"; readonly terms: readonly (readonly [term: string, meaning: string])[] };

export function paragraph(text: string): Block {
  return { kind: "paragraph", text };
}
