export type { Backup, BackupPart } from "./backup.ts";
export type { Change, ChangeBatch, Entry, FollowObserver } from "./changes.ts";
export type { ClusterGuard, ClusterMemory } from "./cluster-guard.ts";
export type { RememberedCluster } from "./cluster-identity.ts";
export type { CommitOutcome, EngineWrite } from "./commit.ts";
export type { ContributedUnit, Contribution, ContributionOutcome } from "./contribution.ts";
export { defaultEtcdServers, defaultKeyPrefix, readEtcdServers, readKeyPrefix } from "./etcd-address.ts";
export { Etcd3Store, type Etcd3StoreOptions } from "./etcd3-store.ts";
export type { EventsOutcome, EventsWrite } from "./event-records.ts";
export { type KeySubject, Keyspace } from "./keyspace.ts";
export type { Candidate, Leadership, Term } from "./leadership.ts";
export type { LossConfirmations } from "./loss-confirmations.ts";
export type { MachineMetadata, MetadataChange } from "./machine-metadata.ts";
export { MeasuredStore } from "./measured-store.ts";
export { MemoryEtcd } from "./memory-etcd.ts";
export { MemoryStore } from "./memory-store.ts";
export type { MisplacedUnit } from "./misplaced-units.ts";
export { operationBatches } from "./operation-batches.ts";
export { Pace } from "./pace.ts";
export type { MachineProjection } from "./projection/machine-projection.ts";
export { Projection } from "./projection/projection.ts";
export {
  type AssignmentRecord,
  type ClusterRecord,
  type ConfirmedLossesRecord,
  type ContributionRecord,
  type EventRecord,
  type EventsRecord,
  type LeaderRecord,
  type LeftReason,
  type LeftUnit,
  type MachineRecord,
  type MassLossRecord,
  type MetadataRecord,
  type RestartRecord,
  readableFormats,
  type SettledRecord,
  type StateRecord,
  type UnitRecord,
  type WaitingCause,
} from "./records.ts";
export type { PublishedRows, PublishOutcome, Registration } from "./registration.ts";
export type { RegisterOutcome, RegistrationRequest, Registrations } from "./registrations.ts";
export { Registry, type RegistryOptions } from "./registry.ts";
export type { BeginOutcome, FoundStore, Reseeding, ReseedProgress } from "./reseeding.ts";
export type {
  CreateRestartOutcome,
  NewRestart,
  RequestedRestart,
  RestartRequests,
} from "./restart-requests.ts";
export {
  type Compare,
  type KeyRange,
  type KeyValue,
  type LeaseGrant,
  type LeaseTime,
  maxFlatOperations,
  maxNestedOperations,
  maxTxnOperations,
  type Operation,
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type StoreErrorCode,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchEvent,
  type WatchRequest,
} from "./store.ts";
export type {
  DestroyOutcome,
  PutOutcome,
  PutUnit,
  SubmittedUnit,
  UnitIntents,
} from "./unit-intents.ts";
