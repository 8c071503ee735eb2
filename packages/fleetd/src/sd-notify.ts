import { execFile } from "node:child_process";
import { errorMessage, type Logger } from "@fleet/runtime";

/** Tells the service manager how the daemon is (sd_notify(3)). Telling never fails the daemon. */
export interface ServiceManager {
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(status: string): Promise<void>;
}

const deadlineMs = 5_000;

/**
 * Through systemd's own `systemd-notify`: node has no datagram sockets for the unix domain, the npm packages
 * for this need a compiler at installation, and every machine with a service manager to notify has the program.
 * It sends as a child of fleetd, hence `NotifyAccess=all` in fleet.service.
 */
export class SystemdNotify implements ServiceManager {
  readonly #notifySocket: string;
  readonly #logger: Logger;
  /** One at a time: READY=1 overtaking RELOADING=1 would leave the service reloading for ever. */
  #last: Promise<void> = Promise.resolve();

  constructor(notifySocket: string, logger: Logger) {
    this.#notifySocket = notifySocket;
    this.#logger = logger;
  }

  ready(status: string): Promise<void> {
    return this.#send("READY=1", `STATUS=${status}`);
  }

  reloading(): Promise<void> {
    return this.#send("RELOADING=1", "STATUS=reloading the configuration");
  }

  stopping(status: string): Promise<void> {
    return this.#send("STOPPING=1", `STATUS=${status}`);
  }

  #send(...variables: readonly string[]): Promise<void> {
    this.#last = this.#last.then(() => this.#run(variables));
    return this.#last;
  }

  #run(variables: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const options = { env: { NOTIFY_SOCKET: this.#notifySocket }, timeout: deadlineMs };
      execFile("/usr/bin/systemd-notify", variables, options, (error) => {
        if (error !== null) {
          this.#logger.warn("notify_failed", { variable: variables[0], message: errorMessage(error) });
        }
        resolve();
      });
    });
  }
}

/** For a daemon that no service manager has started. */
export const noServiceManager: ServiceManager = {
  ready: async () => {},
  reloading: async () => {},
  stopping: async () => {},
};
