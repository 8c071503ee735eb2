import type { ApiExplanation } from "@fleet/api/contract";
import { allUnits, formatRoute, type Picture } from "../model/index.ts";
import type { Answer } from "../server.ts";
import { MachineName } from "./machine-name.tsx";
import { counted, numberText } from "./text.ts";

/** Placements told one by one; a global unit may have thousands. */
const shownPlacements = 20;

interface ExplanationProps {
  readonly answer: Answer<ApiExplanation> | undefined;
  readonly picture: Picture;
}

/** Why the unit is where it is, or nowhere. */
export function Explanation({ answer, picture }: ExplanationProps) {
  if (answer?.kind === "absent") return null;
  return (
    <section class="card explanation">
      <h2>Why it is where it is</h2>
      {answer === undefined && <p class="muted">Asking fleetd…</p>}
      {answer?.kind === "failed" && <p class="problem">{answer.message}</p>}
      {answer?.kind === "value" && <Told explanation={answer.value} picture={picture} />}
    </section>
  );
}

interface ToldProps {
  readonly explanation: ApiExplanation;
  readonly picture: Picture;
}

function Told({ explanation, picture }: ToldProps) {
  const { summary, placements, causes, nearest, remedies } = explanation;
  const more = placements.length - shownPlacements;
  // Of a single one the summary says the same.
  const isTold = placements.length === 1 && placements.every(({ fits }) => fits);
  return (
    <>
      <p class="summary">{summary}</p>
      {placements.length > 0 && !isTold && (
        <ul class="reasons">
          {placements.slice(0, shownPlacements).map(({ machineID, fits, text }) => (
            <li key={machineID}>
              <MachineLink picture={picture} id={machineID} /> <span>{text}</span>
              {!fits && <span class="badge leaving">no longer fits</span>}
            </li>
          ))}
          {more > 0 && <li class="muted">and {counted(more, "machine")} more</li>}
        </ul>
      )}
      {causes.length > 0 && (
        <table class="plain-table causes">
          <caption>
            {placements.length === 0 ? "Machines" : "Other machines"} that are out of the question
          </caption>
          <tbody>
            {causes.map(({ cause, machines, text, examples }) => (
              <tr key={`${cause} ${text}`}>
                <td class="number">{numberText(machines)}</td>
                <td>{text}</td>
                <td class="examples">
                  {examples.slice(0, 3).map((id) => (
                    <MachineLink key={id} picture={picture} id={id} />
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {nearest !== undefined && (
        <p>
          Nearest: <MachineLink picture={picture} id={nearest.machineID} />, but{" "}
          {nearest.obstacles.join("; ")}
        </p>
      )}
      {remedies.length > 0 && (
        <>
          <h3>What would change it</h3>
          <ul class="reasons">
            {remedies.map((remedy) => (
              <li key={remedy} class="sentence">
                {remedy}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function MachineLink({ picture, id }: { readonly picture: Picture; readonly id: string }) {
  return (
    <a href={formatRoute({ page: "machine", id, filter: allUnits })}>
      <MachineName picture={picture} id={id} />
    </a>
  );
}
