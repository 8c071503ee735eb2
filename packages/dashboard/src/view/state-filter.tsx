import { phases, type Selection, type UnitFilter } from "../model/index.ts";
import { phaseLabels, StateMark } from "./state-mark.tsx";
import { numberText } from "./text.ts";

interface StateFilterProps {
  readonly selection: Selection;
  readonly filter: UnitFilter;
  readonly setFilter: (filter: UnitFilter) => void;
}

/** How many units are in each state that occurs; each is a switch that shows these alone. */
export function StateFilter({ selection: { counts, total }, filter, setFilter }: StateFilterProps) {
  const shown = phases.filter((phase) => counts[phase] > 0 || filter.phase === phase);
  return (
    <fieldset class="state-filter">
      <legend class="visually-hidden">Units by state</legend>
      <button
        type="button"
        aria-pressed={filter.phase === undefined}
        onClick={() => setFilter({ ...filter, phase: undefined })}
      >
        All <b>{numberText(total)}</b>
      </button>
      {shown.map((phase) => (
        <button
          key={phase}
          type="button"
          class={`phase-${phase}`}
          aria-pressed={filter.phase === phase}
          onClick={() => setFilter({ ...filter, phase: filter.phase === phase ? undefined : phase })}
        >
          <StateMark phase={phase} />
          {phaseLabels[phase]} <b>{numberText(counts[phase])}</b>
        </button>
      ))}
    </fieldset>
  );
}
