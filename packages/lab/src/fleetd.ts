/** The fleetd of one machine, however it is run there. */
export interface Fleetd {
  /** Its log on the host. */
  readonly logFile: string;
  /** Its process as the host sees it; undefined when none runs. */
  readonly pid: number | undefined;

  /** Starts it with these FLEET_… variables. Resolves before it listens; fails with `lab_fleetd` when it cannot. */
  start(env: NodeJS.ProcessEnv): Promise<void>;
  /** SIGTERM. Resolves with its exit code when it is gone, 0 when it was; `lab_fleetd` when it had to be killed. */
  stop(): Promise<number>;
  /** SIGKILL. Resolves when it is gone, and stays so. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** How the last one ended, for a message. */
  lastEnd(): Promise<string>;
}
