/** One `Name=Value` line of a unit file. A unit file is an ordered list of them. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}
