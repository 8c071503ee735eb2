/** Error messages of API v1, word for word as fleet 1.0 has them where it has one. */
export const message = {
  unitAbsent: "unit does not exist",
  unitStateAbsent: "unit state does not exist",
  noOptions: "unit does not exist and options field empty",
  noTarget: "must provide DesiredState to update existing unit",
  etcdAway: "fleet server unable to communicate with etcd",
  etcdFull: (why: string) => `etcd has no space left and takes no changes: ${why}`,
  frozen: (why: string) => `fleetd is frozen: ${why}`,
  metadataOperation: "invalid op: expect add, remove, or replace",
  metadataPath: "machine metadata path invalid",
  metadataValue: "invalid value: add and replace require a value",
  contentType: "only acceptable Content-Type is application/json",
  notFound: "not found",
  internal: "internal error",
  notHttp: "not an HTTP request",
  badPath: "malformed path",
  noUpgrade: "this resource takes no upgrade",
  bodyTooLarge: "request body is too large",
  tooManyStreams: "too many streams are open",
  foreignOrigin: "streams are not open to pages of other sites",
  foreignChange: "pages of other sites change nothing here",
  unknownKind: (kind: string) => `there is no kind ${JSON.stringify(kind)} of rows`,
  unknownOptions: "options must be none, or left out",
  badSince: "since must be a revision",
  badLimit: "limit must be a number above zero",
  missedTooMuch: "what has changed since can no longer be told",
  missedEvents: "events that were to be told are gone",
  otherCluster: "the revision is of another cluster",
  upgradeRequired: "this resource is a WebSocket",
  pageLimit: (limit: number) => `token limit must be ${limit}`,
  pageNumber: "token page must be greater than zero",
  pageToken: "token cannot be decoded",
  templateActive: (name: string) => `cannot activate template ${JSON.stringify(name)}`,
  unknownTarget: (state: string) => `invalid value ${JSON.stringify(state)} for JobState`,
  nameMismatch: (url: string, body: string) =>
    `name in URL ${JSON.stringify(url)} differs from unit name in request body ${JSON.stringify(body)}`,
  namedUnitAbsent: (name: string) => `unit ${JSON.stringify(name)} does not exist`,
  reseeding: "the cluster is being seeded anew: units can be changed once `fleetctl reseed --finish` was run",
  reseedHealthy: "etcd holds this cluster: there is nothing to be seeded anew",
  reseedNoMemory:
    "this fleetd does not know which cluster it belongs to: ask one whose machine has been in it",
  reseedOccupied: (what: string) => `etcd is not empty: it holds ${what}, which would have to be thrown away`,
  reseedNotRunning: "the cluster is not being seeded anew",
  restartAbsent: "restart does not exist",
  restartInactive: (name: string) => `cannot restart unit ${JSON.stringify(name)} in state inactive`,
  tooManyNames: (limit: number) => `at most ${limit} units can be named at once`,
  tooManyUnits: (limit: number) => `a restart is of at most ${limit} units`,
  tooManyStopped: (limit: number) =>
    `at most ${limit} of the units to restart may be loaded without being launched: start the others first`,
  tooManyRestarts: (limit: number) => `there are ${limit} restarts already: wait for some, or cancel them`,
  machineNotPresent: (id: string) => `machine ${JSON.stringify(id)} is not present`,
  tooManyDryRuns: "too many dry runs are under way",
  dryRunTooLong: "the dry run took too long",
  undecodable: (why: string) => `unable to decode body: ${why}`,
  method: (allowed: readonly string[]) => `only ${joined(allowed)} supported against this resource`,
} as const;

/** `GET`, `GET and PATCH`, `GET, PUT and DELETE`. */
function joined(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}
