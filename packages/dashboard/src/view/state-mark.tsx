import type { JSX } from "preact";
import type { Phase } from "../model/index.ts";

export const phaseLabels: Readonly<Record<Phase, string>> = {
  failed: "Failed",
  waiting: "Waiting",
  moving: "Moving",
  starting: "Starting",
  stopping: "Stopping",
  ended: "Not running",
  active: "Active",
  loaded: "Loaded",
  inactive: "Inactive",
};

/** A shape for each state: colour alone does not tell everybody. */
const shapes: Readonly<Record<Phase, JSX.Element>> = {
  failed: <path d="M6 .8 11.6 11H.4Z" fill="currentColor" />,
  waiting: <circle cx="6" cy="6" r="4.4" class="line" stroke-dasharray="2.2 1.9" />,
  moving: <path d="M.8 6h9M6.6 2.4 10.4 6l-3.8 3.6" class="line" />,
  starting: (
    <>
      <circle cx="6" cy="6" r="4.6" class="line" />
      <path d="M6 1.4a4.6 4.6 0 0 1 0 9.2Z" fill="currentColor" />
    </>
  ),
  stopping: (
    <>
      <circle cx="6" cy="6" r="4.6" class="line" />
      <path d="M6 10.6a4.6 4.6 0 0 1 0-9.2Z" fill="currentColor" />
    </>
  ),
  ended: <circle cx="6" cy="6" r="4.6" class="line" />,
  active: <circle cx="6" cy="6" r="5.4" fill="currentColor" />,
  loaded: <rect x="1.6" y="1.6" width="8.8" height="8.8" rx="1.6" class="line" />,
  inactive: <path d="M2 6h8" class="line" />,
};

export function StateMark({ phase }: { readonly phase: Phase }) {
  return (
    <svg class={`mark phase-${phase}`} viewBox="0 0 12 12" aria-hidden="true">
      {shapes[phase]}
    </svg>
  );
}

/** The mark with its word beside it. */
export function StateLabel({ phase }: { readonly phase: Phase }) {
  return (
    <span class={`state-label phase-${phase}`}>
      <StateMark phase={phase} />
      <span>{phaseLabels[phase]}</span>
    </span>
  );
}
