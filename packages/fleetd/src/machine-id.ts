import { readFile } from "node:fs/promises";
import { errorMessage, FleetError } from "@fleet/runtime";

/** The machine's id: 32 hexadecimal digits, lower case. Throws FleetError `machine_id_unusable`. */
export async function readMachineId(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new FleetError("machine_id_unusable", `cannot read the machine id: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  const id = text.trim().toLowerCase();
  // machine-id(5): an image not booted yet holds `uninitialized` or nothing; all zeros is no id either.
  if (!/^[0-9a-f]{32}$/.test(id) || /^0+$/.test(id)) {
    throw new FleetError(
      "machine_id_unusable",
      `${path} does not hold a machine id (32 hexadecimal digits): systemd-machine-id-setup makes one`,
    );
  }
  return id;
}
