import { readFile } from "node:fs/promises";
import { LineLogger, type Logger, type LogLevel, systemClock, systemRandom } from "@fleet/runtime";
import { ConfigError } from "@fleet/runtime/config";
import { ClusterMemoryFile } from "./cluster-memory-file.ts";
import { type Config, loadConfig } from "./config.ts";
import { startDaemon } from "./daemon.ts";
import { releaseHeapWhenQuiet } from "./heap-release.ts";
import { takeInheritedSockets } from "./inherited-sockets.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { ListenAddress } from "./listen-address.ts";
import { Listeners } from "./listeners.ts";
import { LogDetails } from "./log-details.ts";
import { readMachineId } from "./machine-id.ts";
import { processHeap } from "./process-heap.ts";
import { addProcessMetrics } from "./process-metrics.ts";
import { PrometheusMetrics } from "./prometheus-metrics.ts";
import { RunDirectory } from "./run-directory.ts";
import { noServiceManager, type ServiceManager, SystemdNotify } from "./sd-notify.ts";
import { handleSignals, type SignalSource } from "./signals.ts";
import { version } from "./version.ts";

/** The process that fleetd runs in. */
export interface ProcessHost {
  readonly pid: number;
  /** The sockets that systemd passed are taken out of it. */
  readonly environment: Record<string, string | undefined>;
  readonly signals: SignalSource;
  /** Whether stderr is the journal, which has its own time stamps and wants priorities. */
  readonly journal: boolean;
  readonly writeError: (text: string) => void;
  readonly print: (text: string) => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

const defaultSocket: ListenAddress = { kind: "unix", path: "/var/run/fleet.sock" };
const machineIdPath = "/etc/machine-id";
const bootIdPath = "/proc/sys/kernel/random/boot_id";
const systemBus = "unix:path=/run/dbus/system_bus_socket";

/**
 * Runs fleetd until a signal ends it. Resolves with the exit code; throws FleetError when it cannot start
 * (`config_invalid`, `machine_id_unusable`, `already_running`, `run_directory_failed`, `listen_failed`).
 */
export async function runFleetd(configPath: string | undefined, host: ProcessHost): Promise<number> {
  const { environment, pid } = host;
  let lifecycle: Lifecycle | undefined;
  const inherited = takeInheritedSockets(environment, pid);
  const { config, warnings } = await loadConfig({ path: configPath, environment });
  const details = new LogDetails(() => (lifecycle?.config ?? config).verbosity);
  const logger = lineLogger(host, () => (details.areLogged ? "debug" : "info"));
  for (const message of warnings) logger.warn("config_warning", { message });

  const machineId = await readMachineId(machineIdPath);
  const bootId = (await readFile(bootIdPath, "utf8")).trim();
  const busAddress = busAddressOf(config, environment);
  const runDirectory = await RunDirectory.open(config.unitsDirectory, pid);
  const listeners = new Listeners(logger);
  const running = new AbortController();
  try {
    await listeners.open(inherited, config.listen ?? (inherited.length === 0 ? [defaultSocket] : []));
    logger.info("starting", { version, machine: machineId, etcd: config.etcd.servers });
    const memory = new ClusterMemoryFile(runDirectory.clusterFile);
    const metrics = new PrometheusMetrics();
    addProcessMetrics(metrics);
    void releaseHeapWhenQuiet({ heap: processHeap, clock: systemClock, logger }, running.signal);
    const parts = { machineId, bootId, busAddress, runDirectory, memory, logger, metrics };
    lifecycle = new Lifecycle({
      config,
      reloadConfig: () => loadConfig({ path: configPath, environment }),
      startComponents: (used) => startDaemon(used, { ...parts, clock: systemClock, random: systemRandom }),
      listeners,
      serviceManager: serviceManagerOf(environment, logger),
      logger,
      print: host.print,
      abandon: () => host.exit(1),
    });
    return await untilStopped(lifecycle, host, () => {
      logger.info("log_level_switched", { level: details.switch() ? "debug" : "info" });
    });
  } finally {
    running.abort();
    await listeners.close(0);
    await runDirectory.close();
  }
}

async function untilStopped(
  lifecycle: Lifecycle,
  host: ProcessHost,
  switchDetails: () => void,
): Promise<number> {
  const stopAsked = new Promise<void>((resolve) => {
    handleSignals(host.signals, {
      switchDetails,
      reload: () => lifecycle.reload(),
      dump: () => lifecycle.dump(),
      stop: resolve,
      abandon: () => host.exit(1),
    });
  });
  await lifecycle.start();
  await stopAsked;
  return await lifecycle.stop();
}

function lineLogger({ journal, writeError }: ProcessHost, level: () => LogLevel): Logger {
  return new LineLogger({ write: writeError, now: () => systemClock.now(), level, journal });
}

function serviceManagerOf({ NOTIFY_SOCKET }: ProcessHost["environment"], logger: Logger): ServiceManager {
  return NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === ""
    ? noServiceManager
    : new SystemdNotify(NOTIFY_SOCKET, logger);
}

/** Where systemd is reached: the places that sd_bus_open_system(3) and sd_bus_open_user(3) look at. */
function busAddressOf(config: Config, environment: ProcessHost["environment"]): string {
  const { DBUS_SYSTEM_BUS_ADDRESS, DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = environment;
  if (!config.systemdUser) return DBUS_SYSTEM_BUS_ADDRESS ?? systemBus;
  if (DBUS_SESSION_BUS_ADDRESS !== undefined) return DBUS_SESSION_BUS_ADDRESS;
  if (XDG_RUNTIME_DIR !== undefined) return `unix:path=${XDG_RUNTIME_DIR}/bus`;
  throw new ConfigError([
    "systemd_user: the user's systemd cannot be found, neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set",
  ]);
}
