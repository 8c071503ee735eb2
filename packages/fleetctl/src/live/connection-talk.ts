/** Says on stderr, once each, that what is printed may be out of date, and that it no longer is. */
export class ConnectionTalk {
  readonly #say: (line: string) => void;
  #isLost = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  lost(reason: string): void {
    if (!this.#isLost) this.#say(`Connection lost: ${reason}. Trying again.`);
    this.#isLost = true;
  }

  heard(): void {
    if (this.#isLost) this.#say("Connected again.");
    this.#isLost = false;
  }
}
