import type { Failover, Picture } from "../model/index.ts";
import { MachineName } from "./machine-name.tsx";
import { agoText, counted } from "./text.ts";

/** Machines that went a moment ago, and how far their units have got. */
export function FailoverStrip({ picture }: { readonly picture: Picture }) {
  const failovers = picture.failovers();
  const now = Date.now();
  return (
    <div class="failovers" role="status">
      {failovers.map((failover) => (
        <FailoverLine key={failover.machine.id} failover={failover} picture={picture} now={now} />
      ))}
    </div>
  );
}

interface FailoverLineProps {
  readonly failover: Failover;
  readonly picture: Picture;
  readonly now: number;
}

function FailoverLine({ failover, picture, now }: FailoverLineProps) {
  const { machine, units, arrived, doneAt } = failover;
  return (
    <div class={`failover ${doneAt === undefined ? "under-way" : "done"}`}>
      <span>
        <strong>
          Machine <MachineName picture={picture} id={machine.id} /> is gone
        </strong>{" "}
        <span class="muted">{agoText(now - machine.at)}</span>
      </span>
      <progress value={arrived} max={units} aria-label="Units that run elsewhere" />
      <span class="failover-text">
        {doneAt === undefined
          ? `${arrived} of ${counted(units, "unit")} elsewhere`
          : `${counted(units, "unit")} elsewhere after ${((doneAt - machine.at) / 1_000).toFixed(1)} s`}
      </span>
    </div>
  );
}
