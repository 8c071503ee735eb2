import type { FleetClient } from "@fleet/api/client";
import { Etcd3Store, Registry, type RememberedCluster } from "@fleet/registry";
import { errorCode, errorMessage, FleetError, silentLogger, systemClock, systemRandom } from "@fleet/runtime";
import type { FlagValues } from "../cli/flag.ts";
import { CommandFailure } from "../failure.ts";
import { type EtcdSettings, readEtcdSettings } from "./etcd-settings.ts";
import { inProcessClient } from "./in-process-client.ts";

/**
 * The API of a cluster, straight over the etcd that the flags name; no daemon is needed. Throws CommandFailure when
 * etcd does not answer within the request timeout, or holds no cluster there.
 */
export async function connectToEtcd(flags: FlagValues): Promise<FleetClient> {
  const settings = await readEtcdSettings(flags);
  const store = new Etcd3Store(storeOptions(settings));
  const registry = new Registry({
    store,
    prefix: settings.keyPrefix,
    memory: forgetful,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    mayCreate: false,
  });
  try {
    await openCluster(registry, settings.endpoints.length);
    return await inProcessClient(registry, settings.requestTimeoutMs, () => store.close());
  } catch (error) {
    store.close();
    throw failureOf(error, settings);
  }
}

/** The cluster is remembered for one command line, by the registry itself. */
const forgetful = {
  load: async (): Promise<RememberedCluster | undefined> => undefined,
  save: async (): Promise<void> => {},
};

/** Each failure has the store turn to its next endpoint: all of them are tried once. */
async function openCluster(registry: Registry, endpoints: number): Promise<void> {
  const { signal } = new AbortController();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await registry.guard.open(signal);
      return;
    } catch (error) {
      if (!(error instanceof FleetError && error.retryable) || attempt >= endpoints) throw error;
    }
  }
}

function storeOptions({ endpoints, requestTimeoutMs, login, tls }: EtcdSettings) {
  return {
    endpoints,
    // A member that is away may just be silent: what one command line may wait must do for all of them.
    requestTimeoutMs: Math.max(1, Math.floor(requestTimeoutMs / endpoints.length)),
    ...login,
    ...(tls?.ca === undefined ? {} : { ca: Buffer.from(tls.ca) }),
    ...(tls?.cert === undefined ? {} : { cert: Buffer.from(tls.cert) }),
    ...(tls?.key === undefined ? {} : { key: Buffer.from(tls.key) }),
    clock: systemClock,
    random: systemRandom,
  };
}

function failureOf(error: unknown, { endpoints, keyPrefix }: EtcdSettings): unknown {
  const where = endpoints.join(", ");
  const code = errorCode(error);
  if (code === "cluster_missing") {
    return new CommandFailure(
      `no fleet cluster below ${keyPrefix} in etcd at ${where}: is the prefix right, has a fleetd ever run?`,
      {
        cause: error,
        hints: [
          "The prefix is etcd_key_prefix in fleet.conf, here --etcd-key-prefix. fleetctl never creates a cluster.",
          "If it was wiped, a fleetd of the cluster knows what to do: fleetctl reseed, without --driver=etcd.",
          "A fleet 1.0 cluster keeps its data in etcd's API v2, where this does not look: use --endpoint, or import.",
        ],
      },
    );
  }
  if (!code.startsWith("etcd_") && !code.startsWith("cluster_")) return error;
  const away = code === "etcd_unavailable" || code === "etcd_timeout";
  const message = errorMessage(error);
  // The store says which member it asked. That is news only where there are several.
  const named = `etcd at ${where}: `;
  const reason = message.startsWith(named) ? message.slice(named.length) : message;
  return new CommandFailure(`Unable to ${away ? "reach" : "use"} etcd at ${where}: ${reason}`, {
    cause: error,
    hints: away
      ? ["Is etcd (3.4 or newer) up there? Other members are named with --endpoint=http://10.0.0.2:2379,…"]
      : [],
  });
}
