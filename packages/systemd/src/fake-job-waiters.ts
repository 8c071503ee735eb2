/** Those who wait for what becomes of a unit's job in the simulated systemd. Each is told once. */
export class FakeJobWaiters<Outcome> {
  /** By unit name: a restart goes on while the unit is, for a moment, not in memory. */
  readonly #waiters = new Map<string, Set<(outcome: Outcome) => void>>();

  /** Returns how to stop waiting. */
  add(name: string, waiter: (outcome: Outcome) => void): () => void {
    const waiters = this.#waiters.get(name) ?? new Set();
    this.#waiters.set(name, waiters.add(waiter));
    return () => waiters.delete(waiter);
  }

  tell(name: string, outcome: Outcome): void {
    const waiters = this.#waiters.get(name) ?? [];
    this.#waiters.delete(name);
    for (const waiter of waiters) waiter(outcome);
  }

  /** Nobody is left to be told. */
  clear(): void {
    this.#waiters.clear();
  }
}
