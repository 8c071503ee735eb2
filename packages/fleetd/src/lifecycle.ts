import { errorCode, errorMessage, type Logger } from "@fleet/runtime";
import { type Config, needsRestart, reloaded } from "./config.ts";
import type { Listeners, Responder } from "./listeners.ts";
import type { ServiceManager } from "./sd-notify.ts";

/** Everything between the listeners and etcd, built from one configuration. */
export interface Components {
  readonly responder: Responder;
  /** Ends everything at once; units keep running and this machine stays registered for the next to take over. */
  stop(): Promise<void>;
  /** Unloads the local units, takes this machine out of the cluster, then ends everything. */
  leave(): Promise<void>;
  /** The state as plain data, for people. */
  dump(): Promise<unknown>;
}

export interface LifecycleOptions {
  readonly config: Config;
  readonly reloadConfig: () => Promise<{ readonly config: Config; readonly warnings: readonly string[] }>;
  readonly startComponents: (config: Config) => Promise<Components>;
  readonly listeners: Pick<Listeners, "respondWith" | "close">;
  readonly serviceManager: ServiceManager;
  readonly logger: Logger;
  /** Writes to stdout. */
  readonly print: (text: string) => void;
  /** Ends the program at once, units left as they are, for the service manager to start a fresh one. */
  readonly abandon: () => void;
}

/** How long requests in progress may take once the machine has left. */
const closeGraceMs = 1_000;

/**
 * One daemon from its start to its end: reload, dump and stop, one after the other.
 *
 * Invariants:
 * - of reload, dump and stop one is worked on at a time, in the order asked for; after stop nothing begins;
 * - a reload that fails leaves the daemon running with the configuration it had; if even that is beyond it, the
 *   program ends rather than hold on to its sockets with nothing behind them.
 */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  #config: Config;
  #components: Components | undefined;
  #last: Promise<void> = Promise.resolve();
  #stopping = false;
  #reloadAsked = false;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  /** Starts the components behind the listeners, which are open already. */
  async start(): Promise<void> {
    const begun = this.#begin(this.#config);
    this.#last = begun.catch(() => {});
    await begun;
    await this.#options.serviceManager.ready(this.#status());
  }

  /** Asking again before a reload has begun asks for nothing more. */
  reload(): void {
    if (this.#reloadAsked || this.#stopping) return;
    this.#reloadAsked = true;
    this.#enqueue("reload", async () => {
      this.#reloadAsked = false;
      const { serviceManager } = this.#options;
      await serviceManager.reloading();
      try {
        await this.#reload();
      } finally {
        await serviceManager.ready(this.#status());
      }
    });
  }

  /** Prints the state as one JSON document. */
  dump(): void {
    if (this.#stopping) return;
    this.#enqueue("dump", async () => {
      const state = await this.#components?.dump();
      this.#options.print(`${JSON.stringify(state ?? {}, undefined, 2)}\n`);
    });
  }

  /** Ends, as the policy in force says. Resolves with the exit code of the program. */
  async stop(): Promise<number> {
    const { listeners, logger } = this.#options;
    this.#stopping = true;
    await this.#last;
    const { shutdownPolicy, agentTtlMs } = this.#config;
    logger.info("stopping", { shutdown_policy: shutdownPolicy });
    const exitCode = shutdownPolicy === "keep" ? await this.#keep(agentTtlMs) : await this.#leave();
    await listeners.close(closeGraceMs);
    logger.info("stopped", { exit_code: exitCode });
    return exitCode;
  }

  async #leave(): Promise<number> {
    const { serviceManager, listeners, logger } = this.#options;
    await serviceManager.stopping("unloading the units of this machine");
    let exitCode = 0;
    try {
      // The API goes on answering, and the engine placing elsewhere what stops here, until the units are gone.
      await this.#components?.leave();
    } catch (error) {
      logger.error("leave_failed", { code: errorCode(error), message: errorMessage(error) });
      exitCode = 1;
    }
    listeners.respondWith(undefined);
    return exitCode;
  }

  /** The units run on, and the registration's lease with them: the next fleetd takes both over. */
  async #keep(agentTtlMs: number): Promise<number> {
    const { serviceManager, listeners, logger } = this.#options;
    await serviceManager.stopping("the units of this machine run on");
    listeners.respondWith(undefined);
    await this.#components?.stop();
    logger.info("units_kept", { for_ms: agentTtlMs });
    return 0;
  }

  async #reload(): Promise<void> {
    const { reloadConfig, logger } = this.#options;
    const { config: next, warnings } = await reloadConfig();
    for (const message of warnings) logger.warn("config_warning", { message });
    for (const option of needsRestart(this.#config, next)) {
      logger.warn("config_needs_restart", { option });
    }
    this.#options.listeners.respondWith(undefined);
    const components = this.#components;
    this.#components = undefined;
    try {
      await components?.stop();
      await this.#begin(reloaded(this.#config, next));
    } catch (error) {
      await this.#beginAgain();
      throw error;
    }
    logger.info("config_reloaded");
  }

  async #beginAgain(): Promise<void> {
    const { logger, abandon } = this.#options;
    try {
      await this.#begin(this.#config);
    } catch (error) {
      logger.error("restart_failed", { code: errorCode(error), message: errorMessage(error) });
      abandon();
    }
  }

  async #begin(config: Config): Promise<void> {
    const components = await this.#options.startComponents(config);
    this.#config = config;
    this.#components = components;
    this.#options.listeners.respondWith(components.responder);
  }

  #enqueue(name: string, work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch((error: unknown) => {
      this.#options.logger.error(`${name}_failed`, { code: errorCode(error), message: errorMessage(error) });
    });
  }

  #status(): string {
    return `serving, etcd at ${this.#config.etcd.servers.join(" ")}`;
  }
}
