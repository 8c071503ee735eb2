/** As much of a machine as it can be named by. */
export interface NamedMachine {
  readonly id: string;
  readonly primaryIP?: string | undefined;
}

/** Whether a word means a machine: the beginning of its id, its IP, or as listings show it (`0acdd9bf.../10.0.2.15`). */
export function meansMachine(word: string): (machine: NamedMachine) => boolean {
  const name = word.replace(/\.\.\.(\/.*)?$/, "");
  return ({ id, primaryIP }) => name !== "" && (id.startsWith(name) || primaryIP === name);
}
