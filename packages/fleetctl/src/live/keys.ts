export type ScrollAction = "up" | "down" | "page-up" | "page-down" | "home" | "end";

/** What a key asks for. */
export type KeyAction = ScrollAction | "quit" | "interrupt" | "suspend";

const letters: Readonly<Record<string, KeyAction>> = {
  q: "quit",
  Q: "quit",
  // Ctrl-C, Ctrl-Z
  "\u0003": "interrupt",
  "\u001a": "suspend",
  // As in less.
  k: "up",
  j: "down",
  b: "page-up",
  " ": "page-down",
  g: "home",
  G: "end",
};

/** By what follows `ESC [` or `ESC O`, without modifiers; terminals differ in those of Home and End. */
const sequences: Readonly<Record<string, KeyAction>> = {
  A: "up",
  B: "down",
  "5~": "page-up",
  "6~": "page-down",
  H: "home",
  "1~": "home",
  "7~": "home",
  F: "end",
  "4~": "end",
  "8~": "end",
};

const ESC = "\u001b";

/** What follows an escape: all of a key's sequence, or its beginning. */
const sequence = /^(?:[[O]([\d;]*)([@-~]?))?/;

/** Reads what is typed, which may come in pieces. */
export class Keys {
  #rest = "";

  /** The actions in a piece; keys that mean nothing are left out. */
  read(piece: string): readonly KeyAction[] {
    const actions: KeyAction[] = [];
    let text = this.#rest + piece;
    this.#rest = "";
    while (text !== "") {
      const [whole = "", parameters = "", final = ""] = sequence.exec(text.slice(1)) ?? [];
      const isSequence = text.startsWith(ESC);
      if (isSequence && final === "" && text.length === whole.length + 1) {
        // The rest of it is yet to come.
        this.#rest = text;
        break;
      }
      const action = isSequence ? sequences[parameters + final] : letters[text[0] ?? ""];
      if (action !== undefined) actions.push(action);
      text = text.slice(isSequence ? whole.length + 1 : 1);
    }
    return actions;
  }
}
