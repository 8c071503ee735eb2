import { networkInterfaces } from "node:os";
import { Agent, JournalFile } from "@fleet/agent";
import { createApi } from "@fleet/api";
import { Engine } from "@fleet/engine";
import { Etcd3Store, MeasuredStore, Registry } from "@fleet/registry";
import { Backoff, type Clock, type Logger, type Random, sleep, supervise } from "@fleet/runtime";
import { DbusUnitManager, DiskUnitDirectory, type UnitManager } from "@fleet/systemd";
import type { ClusterMemoryFile } from "./cluster-memory-file.ts";
import type { Config, EtcdConfig } from "./config.ts";
import { readDashboardFile } from "./dashboard-files.ts";
import type { Components } from "./lifecycle.ts";
import type { PrometheusMetrics } from "./prometheus-metrics.ts";
import { detectPublicIp, readRoutes } from "./public-ip.ts";
import type { RunDirectory } from "./run-directory.ts";
import { untilSilent } from "./systemd-silence.ts";
import { version } from "./version.ts";

/** What stays the same for as long as the process runs, whatever is configured. */
export interface Host {
  readonly machineId: string;
  /** Id of the present boot: what the journal says of an earlier one has ended with it. */
  readonly bootId: string;
  /** D-Bus address of the systemd to drive. */
  readonly busAddress: string;
  readonly runDirectory: RunDirectory;
  readonly memory: ClusterMemoryFile;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: PrometheusMetrics;
}

const restartBackoff = { initialMs: 100, maxMs: 5_000 };

/** How long a machine that leaves waits for a systemd that says nothing. */
const systemdSilenceMs = 60_000;

/** Longest that the first requests wait for etcd, before they are told that it is away. */
const firstLookMs = 1_000;

/**
 * The composition root: builds store, registry, API, engine and agent and runs them side by side. They do not
 * know each other and meet in etcd. Each is started again by itself when it fails; etcd being away, or slower
 * than `firstLookMs`, holds nothing up: the API says 503 then.
 */
export async function startDaemon(config: Config, host: Host): Promise<Components> {
  const { machineId, memory, clock, random, logger, metrics } = host;
  const common = { clock, random, logger, metrics };
  const etcd = new Etcd3Store({ ...etcdOptions(config.etcd), clock, random });
  const store = new MeasuredStore(etcd, clock, metrics);
  const registry = new Registry({ ...common, store, prefix: config.etcd.keyPrefix, memory });
  const api = await createApi({
    ...common,
    registry,
    exposition: metrics,
    dashboard: { actions: config.dashboardActions, file: readDashboardFile },
    version,
    tokenLimit: config.tokenLimit,
    agentTtlMs: config.agentTtlMs,
  });
  const manager = new DbusUnitManager({
    address: host.busAddress,
    directory: config.unitsDirectory,
    clock,
    random,
    logger,
  });
  const agent = await buildAgent(config, host, registry, manager);
  const engine = config.engineEnabled
    ? new Engine({
        ...common,
        registry,
        machineId,
        leaderTtlMs: config.leaderTtlMs,
        agentTtlMs: config.agentTtlMs,
        massLossShare: config.massLossShare,
      })
    : undefined;

  const running = new AbortController();
  const keepRunning = (name: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> =>
    supervise({ ...common, name, task, backoff: new Backoff(restartBackoff, random) }, running.signal);
  const tasks = [keepRunning("agent", (signal) => agent.run(signal))];
  if (engine !== undefined) {
    tasks.push(
      keepRunning("engine", async (signal) => {
        await registry.guard.open(signal);
        await engine.run(signal);
      }),
    );
  }

  await firstLook(registry, clock, running.signal);
  const stop = async (): Promise<void> => {
    running.abort();
    await Promise.all(tasks);
    await api.close();
    store.close();
  };
  return {
    responder: api.createServer(),
    stop,
    leave: async () => {
      // The engine runs on meanwhile: if it leads, it is the one that places elsewhere what stops here.
      const left = new AbortController();
      const watching = { manager, clock, giveUpAfterMs: systemdSilenceMs, signal: left.signal };
      const leaving = agent.leave().finally(() => left.abort());
      await Promise.race([leaving, untilSilent(watching).then(() => leaving)]);
      await stop();
      // With no unit left there is nothing of the cluster on this machine to protect, and it may join another.
      if (agent.report().journal.length === 0) await memory.forget();
    },
    dump: async () => ({
      version,
      machineId,
      etcd: config.etcd.servers,
      cluster: clusterReport(registry),
      engine: engine?.status(),
      agent: agent.report(),
    }),
  };
}

/**
 * Gives etcd the chance to prove itself before requests are let in, so that neither the request that made
 * systemd start fleetd nor one during a reload meets a 503 on a healthy cluster.
 */
async function firstLook(registry: Registry, clock: Clock, signal: AbortSignal): Promise<void> {
  const looked = new AbortController();
  await Promise.race([
    // What is wrong is said, and tried again, by those who need the registry.
    registry.guard.open(signal).catch(() => {}),
    sleep(clock, firstLookMs, looked.signal).catch(() => {}),
  ]);
  looked.abort();
}

async function buildAgent(
  config: Config,
  host: Host,
  registry: Registry,
  manager: UnitManager,
): Promise<Agent> {
  const { machineId, bootId, runDirectory, clock, random, logger, metrics } = host;
  return new Agent({
    machineId,
    token: runDirectory.token,
    publicIp: config.publicIp ?? detectPublicIp(await readRoutes(), networkInterfaces()),
    metadata: Object.fromEntries(config.metadata),
    version,
    ttlMs: config.agentTtlMs,
    registry,
    manager,
    directory: new DiskUnitDirectory(config.unitsDirectory),
    journal: new JournalFile(runDirectory.journalFile, bootId),
    clock,
    random,
    logger,
    metrics,
  });
}

function etcdOptions({ servers, requestTimeoutMs, login, tls }: EtcdConfig) {
  return {
    endpoints: servers,
    requestTimeoutMs,
    ...login,
    ...(tls?.authorities === undefined ? {} : { ca: tls.authorities }),
    ...(tls?.identity === undefined ? {} : { cert: tls.identity.certificate, key: tls.identity.key }),
  };
}

function clusterReport({ guard }: Registry) {
  const { clusterId: id, revision, frozen } = guard;
  return { id, revision, frozen: frozen && { code: frozen.code, message: frozen.message } };
}
