/**
 * Whether details are logged: as `verbosity` says, until a signal switches that over. It takes effect at once, and nothing is
 * started anew for it: what is to be looked at would be gone. A reload, for whatever reason, leaves what was switched as it is
 * unless it brings another verbosity.
 */
export class LogDetails {
  readonly #verbosity: () => number;
  #switched: { readonly to: boolean; readonly at: number } | undefined;

  /** @param verbosity The option in force. */
  constructor(verbosity: () => number) {
    this.#verbosity = verbosity;
  }

  get areLogged(): boolean {
    const verbosity = this.#verbosity();
    return this.#switched?.at === verbosity ? this.#switched.to : verbosity >= 1;
  }

  /** Returns whether they are logged from now on. */
  switch(): boolean {
    this.#switched = { to: !this.areLogged, at: this.#verbosity() };
    return this.areLogged;
  }
}
