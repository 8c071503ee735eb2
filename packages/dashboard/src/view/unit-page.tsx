import type { ApiUnit, ApiUnitState } from "@fleet/api/contract";
import { serializeUnitFile } from "@fleet/core";
import { useRef } from "preact/hooks";
import { allUnits, formatRoute, type Picture, phaseOf, type UnitRow, words } from "../model/index.ts";
import { type Answer, readExplanation, readUnit } from "../server.ts";
import { UnitActions } from "./actions.tsx";
import { Explanation } from "./explanation.tsx";
import { MachineName, MoveText } from "./machine-name.tsx";
import { StateLabel } from "./state-mark.tsx";
import { Timeline } from "./timeline.tsx";
import { useAnswer } from "./use-answer.ts";

interface UnitPageProps {
  readonly picture: Picture;
  readonly name: string;
  readonly actions: boolean;
  readonly isLive: boolean;
}

export function UnitPage({ picture, name, actions, isLive }: UnitPageProps) {
  const unit = picture.unit(name);
  const row = picture.row(name);
  const file = useAnswer(readUnit, name, unit?.hash ?? "");
  const explanation = useAnswer(readExplanation, name, explanationVersion(picture, row));
  return (
    <>
      <div class="subject">
        <p class="crumbs">
          <a href="#/units">Units</a>
        </p>
        <div class="subject-line">
          <h1>{name}</h1>
          {actions && row !== undefined && <UnitActions row={row} isLive={isLive} />}
        </div>
        {row === undefined ? (
          <p class="muted">The cluster has no such unit.</p>
        ) : (
          <UnitFacts row={row} picture={picture} />
        )}
      </div>
      <div class="columns unit-columns">
        <div class="stack">
          <Explanation answer={explanation} picture={picture} />
          <States picture={picture} name={name} desired={row?.desired} />
          <Timeline picture={picture} name={name} />
        </div>
        <UnitFile answer={file} />
      </div>
    </>
  );
}

/** Of all that an explanation depends on what this page hears of. */
function explanationVersion(picture: Picture, row: UnitRow | undefined): string {
  return [row?.changedAt, row?.machine, row?.desired, ...picture.machineIds.slice(0, 100)].join();
}

function UnitFacts({ row, picture }: { readonly row: UnitRow; readonly picture: Picture }) {
  return (
    <p class="facts">
      <StateLabel phase={row.phase} />
      {row.machine !== undefined && row.move === undefined && (
        <a href={formatRoute({ page: "machine", id: row.machine, filter: allUnits })}>
          <MachineName picture={picture} id={row.machine} />
        </a>
      )}
      {row.move !== undefined && <MoveText picture={picture} move={row.move} to={row.machine} />}
      <span>wanted: {row.desired}</span>
      {row.global && <span class="tag">global</span>}
      {row.description !== "" && <span class="muted">{row.description}</span>}
    </p>
  );
}

interface StatesProps {
  readonly picture: Picture;
  readonly name: string;
  readonly desired: ApiUnit["desiredState"] | undefined;
}

function States({ picture, name, desired = "inactive" }: StatesProps) {
  const states = [...picture.statesOf(name).values()];
  if (states.length === 0) return null;
  return (
    <section class="card">
      <h2>On machines</h2>
      <table class="plain-table">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Machine</th>
            <th scope="col">systemd</th>
          </tr>
        </thead>
        <tbody>
          {states.map((state) => (
            <StateRow key={state.machineID} state={state} picture={picture} desired={desired} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface StateRowProps {
  readonly state: ApiUnitState;
  readonly picture: Picture;
  readonly desired: ApiUnit["desiredState"];
}

function StateRow({ state, picture, desired }: StateRowProps) {
  return (
    <tr>
      <td>
        <StateLabel phase={phaseOf({ desiredState: desired }, state)} />
      </td>
      <td>
        <a href={formatRoute({ page: "machine", id: state.machineID, filter: allUnits })}>
          <MachineName picture={picture} id={state.machineID} />
        </a>
      </td>
      <td>
        {words(state)}
        {state.problem !== undefined && <p class="problem">{state.problem}</p>}
      </td>
    </tr>
  );
}

function UnitFile({ answer }: { readonly answer: Answer<ApiUnit> | undefined }) {
  const text = useRef<HTMLPreElement>(null);
  return (
    <section class="card unit-file">
      <div class="card-head">
        <h2>Unit file</h2>
        {answer?.kind === "value" && (
          <button type="button" class="button small" onClick={() => selectText(text.current)}>
            Select all
          </button>
        )}
      </div>
      {answer?.kind === "value" && (
        <pre ref={text}>
          <FileText text={serializeUnitFile(answer.value.options)} />
        </pre>
      )}
      {answer?.kind === "failed" && <p class="problem">{answer.message}</p>}
      {answer?.kind === "absent" && <p class="muted">None.</p>}
      {answer === undefined && <p class="muted">Asking fleetd…</p>}
    </section>
  );
}

/** Sections and names stand out. */
function FileText({ text }: { readonly text: string }) {
  return (
    <>
      {text.split(/(?<=\n)/).map((line, index) => {
        const equals = line.indexOf("=");
        const key = `${index} ${line}`;
        if (line.startsWith("[")) return <b key={key}>{line}</b>;
        if (equals < 0) return line;
        return [
          <span key={key} class="option">
            {line.slice(0, equals)}
          </span>,
          line.slice(equals),
        ];
      })}
    </>
  );
}

/** What the clipboard needs a secure origin for, a selection does without. */
function selectText(element: HTMLElement | null): void {
  if (element !== null) getSelection()?.selectAllChildren(element);
}
