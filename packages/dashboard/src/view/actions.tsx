import type { ApiUnit } from "@fleet/api/contract";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { UnitRow } from "../model/index.ts";
import { setTargetState } from "../server.ts";

interface Action {
  readonly label: string;
  readonly target: ApiUnit["desiredState"];
  readonly question: string;
}

const actions: readonly Action[] = [
  {
    label: "Start",
    target: "launched",
    question: "It is placed on a machine, if it is on none, and started there.",
  },
  { label: "Stop", target: "loaded", question: "It is stopped, and stays loaded on a machine." },
  {
    label: "Unload",
    target: "inactive",
    question: "It is stopped and taken off its machine. Its file stays in the cluster.",
  },
];

interface UnitActionsProps {
  readonly row: UnitRow;
  /** Nothing is changed on the strength of what is out of date. */
  readonly isLive: boolean;
}

/** What may be done with a unit, each after a question. */
export function UnitActions({ row, isLive }: UnitActionsProps) {
  const [asked, ask] = useState<Action>();
  const isTemplate = row.name.includes("@.");
  return (
    <div class="actions">
      {!isTemplate &&
        actions.map((action) => (
          <button
            key={action.target}
            type="button"
            class="button"
            // A failed unit is started again by the same request.
            disabled={
              !isLive || (row.desired === action.target && row.phase !== "failed" && row.phase !== "ended")
            }
            onClick={() => ask(action)}
          >
            {action.label}
          </button>
        ))}
      {asked !== undefined && <Confirmation name={row.name} action={asked} close={() => ask(undefined)} />}
    </div>
  );
}

interface ConfirmationProps {
  readonly name: string;
  readonly action: Action;
  readonly close: () => void;
}

function Confirmation({ name, action, close }: ConfirmationProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isUnderWay, setUnderWay] = useState(false);
  const [problem, setProblem] = useState<string>();
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const carryOut = async (): Promise<void> => {
    setUnderWay(true);
    const refused = await setTargetState(name, action.target);
    setUnderWay(false);
    setProblem(refused);
    if (refused === undefined) close();
  };
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="question">
      <h2 id="question">
        {action.label} {name}?
      </h2>
      <p>{action.question}</p>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={close}>
          Cancel
        </button>
        <button type="button" class="button primary" disabled={isUnderWay} onClick={() => void carryOut()}>
          {action.label}
        </button>
      </div>
    </dialog>
  );
}
