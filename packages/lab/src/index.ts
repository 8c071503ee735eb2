export { Etcd, EtcdMember, type EtcdOptions, startEtcd } from "./etcd.ts";
export { LabDirectory, labsRoot, ownerOf, runningLabs } from "./lab-directory.ts";
export {
  LightMachine,
  type LightMachineOptions,
  MachineProgram,
  startLightMachine,
} from "./light-machine.ts";
export type { CommandResult } from "./process.ts";
