export type { ApiRequest, ApiResponse } from "./api-request.ts";
export { Cluster, type ClusterOptions, type MachineSettings, programOf } from "./cluster.ts";
export type { ClusterMachine } from "./cluster-machine.ts";
export { Etcd, EtcdMember, type EtcdOptions, startEtcd } from "./etcd.ts";
export { LabDirectory, labsRoot, ownerOf, runningLabs } from "./lab-directory.ts";
export {
  LightMachine,
  type LightMachineOptions,
  MachineProgram,
  startLightMachine,
} from "./light-machine.ts";
export type { ListedMachine, ListedState, ListedUnit } from "./listings.ts";
export type { CommandResult } from "./process.ts";
export { type ProxyMode, TcpProxy } from "./tcp-proxy.ts";
export { type Awaited, type WaitOptions, waitFor } from "./wait-for.ts";
