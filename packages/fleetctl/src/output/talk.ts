/** Lines kept while they cannot be shown; of more the first are dropped. */
const mostHeld = 100;

/** What fleetctl says on stderr, a line at a time. While a table has the screen, which a line would tear, it is held. */
export class Talk {
  readonly #write: (text: string) => void;
  #held: string[] | undefined;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  readonly say = (line: string): void => {
    if (this.#held === undefined) {
      this.#write(`${line}\n`);
      return;
    }
    this.#held.push(line);
    if (this.#held.length > mostHeld) this.#held.shift();
  };

  hold(): void {
    this.#held ??= [];
  }

  /** Says what was held, and all that follows at once. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held) this.say(line);
  }
}
