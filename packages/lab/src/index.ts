export type { ApiRequest, ApiResponse } from "./api-request.ts";
export { programOf } from "./checkout.ts";
export { Cluster, type ClusterOptions, type MachineSettings } from "./cluster.ts";
export type { ClusterMachine } from "./cluster-machine.ts";
export { Etcd, type EtcdAnswer, EtcdMember, type EtcdOptions, startEtcd } from "./etcd.ts";
export { FullMachine, type FullMachineOptions, startFullMachine } from "./full-machine.ts";
export { type FullMachineAbility, type HostAbilities, hostAbilities } from "./host.ts";
export { LabDirectory, labsRoot, ownerOf, runningLabs } from "./lab-directory.ts";
export { LabNetwork, type NetworkPlace } from "./lab-network.ts";
export { LabSsh, SSH_USER } from "./lab-ssh.ts";
export {
  LightMachine,
  type LightMachineOptions,
  startLightMachine,
} from "./light-machine.ts";
export type { ListedMachine, ListedState, ListedUnit } from "./listings.ts";
export type { Machine, MachineProgram } from "./machine.ts";
export type { CommandResult } from "./process.ts";
export { type ProxyMode, TcpProxy } from "./tcp-proxy.ts";
export { type Awaited, type WaitOptions, waitFor } from "./wait-for.ts";
