import type { ClusterStream, Picture, StreamState } from "../model/index.ts";
import { ageText, numberText } from "./text.ts";

interface ConnectionPillProps {
  readonly state: StreamState;
  readonly picture: Picture;
}

const pillLabels: Readonly<Record<StreamState["kind"], string>> = {
  connecting: "Connecting",
  live: "Live",
  stale: "Out of date",
  lost: "No connection",
};

/** In a corner, always: whether what is seen is true now. */
export function ConnectionPill({ state, picture }: ConnectionPillProps) {
  return (
    <span
      class={`connection ${state.kind}`}
      title={`Revision ${numberText(picture.revision)} of the registry`}
    >
      <span class="connection-mark" aria-hidden="true" />
      {pillLabels[state.kind]}
    </span>
  );
}

interface ConnectionBannerProps {
  readonly stream: ClusterStream;
  readonly picture: Picture;
}

/** Across the page, while what is seen may not be true. */
export function ConnectionBanner({ stream, picture }: ConnectionBannerProps) {
  const { state } = stream;
  return (
    <div class="banner-space" role="alert">
      {state.kind === "stale" && (
        <div class="banner">
          <span>
            <strong>fleetd is cut off from etcd.</strong> What you see may be out of date.
            {state.message !== "" && <span class="muted"> {state.message}</span>}
          </span>
        </div>
      )}
      {state.kind === "lost" && (
        <div class="banner">
          <span>
            <strong>fleetd does not answer.</strong> {picture.filled && <LostFor since={state.since} />}
          </span>
          <button type="button" class="button" onClick={() => stream.start()}>
            {state.retryAt === undefined ? "Trying…" : "Try now"}
          </button>
        </div>
      )}
    </div>
  );
}

/** Not for screen readers: a live region would be read every second. */
function LostFor({ since }: { readonly since: number }) {
  return (
    <>
      What you see is out of date
      <span aria-hidden="true"> by {ageText(Date.now() - since)}</span>.
    </>
  );
}
