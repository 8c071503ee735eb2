import type { Picture, UnitMove } from "../model/index.ts";
import { shortId } from "./text.ts";

interface MachineNameProps {
  readonly picture: Picture;
  readonly id: string;
}

/** A machine as fleetctl names it; struck through when it is gone. */
export function MachineName({ picture, id }: MachineNameProps) {
  const machine = picture.machine(id);
  const ip = machine?.primaryIP ?? picture.goneMachine(id)?.primaryIP;
  const name = <span class="machine-id">{shortId(id)}</span>;
  return (
    <span class="machine-name" title={ip === undefined ? id : `${id} / ${ip}`}>
      {machine === undefined ? <del>{name}</del> : name}
      {ip !== undefined && <span class="machine-ip">{ip}</span>}
    </span>
  );
}

interface MoveTextProps {
  readonly picture: Picture;
  readonly move: UnitMove;
  /** Undefined: it has no new machine yet. */
  readonly to: string | undefined;
}

export function MoveText({ picture, move, to }: MoveTextProps) {
  const isPlaced = to !== undefined && to !== move.from;
  const from = <span class="machine-id">{shortId(move.from)}</span>;
  return (
    <span class="move">
      {picture.machine(move.from) === undefined ? <del>{from}</del> : from}
      <span class="arrow" aria-hidden="true">
        →
      </span>
      <span class="visually-hidden">to</span>
      {isPlaced ? <span class="machine-id">{shortId(to)}</span> : <span class="muted">…</span>}
    </span>
  );
}
