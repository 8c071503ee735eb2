import { join } from "node:path";
import { type FullMachine, LabDirectory, LabNetwork, LabSsh, startFullMachine } from "@fleet/lab";
import { afterAll, beforeAll } from "vitest";
import { describeFullMachines } from "../../full-machines.ts";
import { openDbusWorld } from "./dbus-world.ts";
import { unitManagerContract } from "./unit-manager-contract.ts";

const CHECKOUT = join(import.meta.dirname, "../../..");

describeFullMachines("the system's own systemd", () => {
  let lab: LabDirectory;
  let machine: FullMachine;
  beforeAll(async () => {
    lab = LabDirectory.create();
    const [network, ssh] = [await LabNetwork.create(lab), await LabSsh.start(lab)];
    machine = await startFullMachine({ directory: lab, network, ssh, checkout: CHECKOUT, name: "m" });
  });
  afterAll(async () => {
    await lab.remove();
  });

  unitManagerContract("DbusUnitManager on the system bus", () =>
    openDbusWorld(machine, { unitsDirectory: join(machine.path, "units") }),
  );
});
