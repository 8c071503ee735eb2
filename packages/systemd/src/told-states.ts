/** Active and sub state, as systemd's signals and its answers both have them. */
export interface UnitState {
  readonly active: string;
  readonly sub: string;
}

/**
 * Which news of a unit listeners are to be told of. Asking for a status makes systemd load inactive units, which
 * changes dependency lists of others and causes signals: if each of them were told, and each telling answered
 * with the next question, that would go on for ever.
 *
 * Invariants:
 * - of a unit asked for, a state is told only when it is not the one told last;
 * - an answer of another state than the one told last is told as well, so what is dropped is what listeners know;
 * - a steady state ends all telling.
 */
export class ToldStates {
  /** Per unit whose status has been asked for; undefined until a first signal. */
  readonly #told = new Map<string, string | undefined>();

  /** The status of the unit is about to be asked for. */
  asked(name: string): void {
    if (!this.#told.has(name)) this.#told.set(name, undefined);
  }

  /** A signal came, with the unit's state where it says so. True: to be told. */
  signalled(name: string, state: UnitState | undefined): boolean {
    if (state === undefined || !this.#told.has(name)) return true;
    return this.#isNews(name, state);
  }

  /**
   * The status asked for has come. True: to be told, because the answer shows what no signal has. The next signal
   * may be of the state told before, and even have been handled already: one read yields several messages.
   */
  answered(name: string, state: UnitState): boolean {
    return this.#told.get(name) !== undefined && this.#isNews(name, state);
  }

  forget(name: string): void {
    this.#told.delete(name);
  }

  clear(): void {
    this.#told.clear();
  }

  #isNews(name: string, { active, sub }: UnitState): boolean {
    const state = `${active} ${sub}`;
    if (this.#told.get(name) === state) return false;
    this.#told.set(name, state);
    return true;
  }
}
