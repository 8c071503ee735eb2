/** How a machine is shown: the beginning of its id, or with `full` all of it, and its address when known. */
export function machineLegend(
  machine: { readonly id: string; readonly primaryIP?: string | undefined },
  full: boolean,
): string {
  const id = machineIdLegend(machine.id, full);
  return machine.primaryIP === undefined || machine.primaryIP === "" ? id : `${id}/${machine.primaryIP}`;
}

export function machineIdLegend(id: string, full: boolean): string {
  return full ? id : `${id.slice(0, 8)}...`;
}
