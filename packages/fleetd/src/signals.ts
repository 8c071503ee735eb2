export interface SignalHandlers {
  readonly reload: () => void;
  readonly dump: () => void;
  /** Log details, or no longer. */
  readonly switchDetails: () => void;
  /** The first SIGTERM or SIGINT. */
  readonly stop: () => void;
  /** A second one: somebody does not want to wait. */
  readonly abandon: () => void;
}

/** The part of `process` that receives signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** Routes signals to the handlers until the returned function is called. */
export function handleSignals(source: SignalSource, handlers: SignalHandlers): () => void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) handlers.abandon();
    else handlers.stop();
    stopping = true;
  };
  const routes: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ["SIGHUP", handlers.reload],
    ["SIGUSR1", handlers.dump],
    ["SIGUSR2", handlers.switchDetails],
    ["SIGTERM", stop],
    ["SIGINT", stop],
  ];
  for (const [signal, listener] of routes) source.on(signal, listener);
  return () => {
    for (const [signal, listener] of routes) source.off(signal, listener);
  };
}
