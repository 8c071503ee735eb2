import { useEffect } from "preact/hooks";
import {
  type ClusterStream,
  formatRoute,
  type Picture,
  type Route,
  type UnitFilter,
} from "../model/index.ts";
import type { Settings } from "../server.ts";
import { ConnectionBanner } from "./connection.tsx";
import { EventsPane } from "./events-pane.tsx";
import { FailoverStrip } from "./failover-strip.tsx";
import { type FrameSignal, useFrames } from "./frame-signal.ts";
import { Header } from "./header.tsx";
import { MachinePage } from "./machine-page.tsx";
import { MachinesPane } from "./machines-pane.tsx";
import { UnitPage } from "./unit-page.tsx";
import { UnitsPane } from "./units-pane.tsx";
import { replaceRoute, useRoute } from "./use-route.ts";

interface AppProps {
  readonly picture: Picture;
  readonly stream: ClusterStream;
  readonly frame: FrameSignal;
  readonly settings: Settings;
}

export function App({ picture, stream, frame, settings }: AppProps) {
  useFrames(frame);
  const route = useRoute();
  useTitle(route);
  const isLive = stream.state.kind === "live";
  return (
    <>
      <a class="skip-link" href={formatRoute(route)} onClick={skipToContent}>
        Skip to the content
      </a>
      <Header route={route} picture={picture} state={stream.state} />
      <ConnectionBanner stream={stream} picture={picture} />
      <main class={`page ${route.page} ${isLive || !picture.filled ? "" : "out-of-date"}`} tabIndex={-1}>
        {picture.filled ? (
          <Page route={route} picture={picture} settings={settings} isLive={isLive} />
        ) : (
          <p class="empty">Asking fleetd…</p>
        )}
      </main>
    </>
  );
}

interface PageProps {
  readonly route: Route;
  readonly picture: Picture;
  readonly settings: Settings;
  readonly isLive: boolean;
}

function Page({ route, picture, settings, isLive }: PageProps) {
  switch (route.page) {
    case "overview":
      return (
        <>
          <FailoverStrip picture={picture} />
          <div class="columns">
            <MachinesPane picture={picture} />
            <UnitsPane
              picture={picture}
              filter={route.filter}
              setFilter={(filter: UnitFilter) => replaceRoute({ ...route, filter })}
            />
            <EventsPane picture={picture} />
          </div>
        </>
      );
    case "units":
      return (
        <UnitsPane
          picture={picture}
          filter={route.filter}
          setFilter={(filter: UnitFilter) => replaceRoute({ ...route, filter })}
        />
      );
    case "unit":
      return (
        <UnitPage
          key={route.name}
          picture={picture}
          name={route.name}
          actions={settings.actions}
          isLive={isLive}
        />
      );
    case "machines":
      return <MachinesPane picture={picture} />;
    case "machine":
      return (
        <MachinePage
          picture={picture}
          id={route.id}
          filter={route.filter}
          setFilter={(filter: UnitFilter) => replaceRoute({ ...route, filter })}
        />
      );
    case "events":
      return <EventsPane picture={picture} all />;
  }
}

function skipToContent(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector("main")?.focus();
}

function useTitle(route: Route): void {
  const subject =
    route.page === "unit" ? route.name : route.page === "machine" ? route.id.slice(0, 8) : route.page;
  useEffect(() => {
    document.title = subject === "overview" ? "fleet" : `${subject} · fleet`;
  }, [subject]);
}
