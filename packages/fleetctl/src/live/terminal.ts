/** The terminal that a command runs on. */
export interface Terminal {
  readonly size: () => { readonly rows: number; readonly columns: number };
  readonly write: (text: string) => void;
  /**
   * Takes the keyboard: keys come as they are typed, Ctrl-C and Ctrl-Z among them. Until the function that it returns is called,
   * `restore` is written also when the process ends otherwise.
   */
  readonly take: (listeners: TerminalListeners, restore: string) => () => void;
  /** Stops the process, as Ctrl-Z does; returns once it is continued. */
  readonly suspend: () => Promise<void>;
}

export interface TerminalListeners {
  readonly typed: (text: string) => void;
  readonly resized: () => void;
}
