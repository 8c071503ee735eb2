import { systemClock } from "@fleet/runtime";
import { render } from "preact";
import { ClusterStream, Picture, type StreamListener, type StreamSocket } from "./model/index.ts";
import { readSettings, type Settings } from "./server.ts";
import { App } from "./view/app.tsx";
import { FrameSignal } from "./view/frame-signal.ts";
import { applyTheme, storedTheme } from "./view/theme.ts";

/** How often what is old is forgotten and times are counted on, in milliseconds. */
const tickMs = 1_000;

function main(): void {
  applyTheme(storedTheme());
  const picture = new Picture();
  const frame = new FrameSignal();
  const stream = new ClusterStream(
    {
      open: openSocket,
      probe: async () => (await readSettings()) !== undefined,
      clock: systemClock,
      random: Math.random,
    },
    picture,
    () => frame.raise(),
  );
  stream.start();
  setInterval(() => {
    picture.expire(Date.now());
    frame.raise();
  }, tickMs);
  addEventListener("online", () => stream.check());
  document.addEventListener("visibilitychange", () => {
    // Timers of hidden pages are slowed down, and laptops are closed.
    if (document.visibilityState === "visible") stream.check();
  });

  const root = document.querySelector("#app");
  if (root === null) throw new Error("the page has no element for the dashboard");
  const show = (settings: Settings): void =>
    render(<App picture={picture} stream={stream} frame={frame} settings={settings} />, root);
  show({ actions: false });
  void readSettings().then((settings) => {
    if (settings !== undefined) show(settings);
  });
}

function openSocket(path: string, listener: StreamListener): StreamSocket {
  const socket = new WebSocket(path);
  socket.addEventListener("message", ({ data }) => {
    if (typeof data === "string") listener.message(data);
  });
  socket.addEventListener("close", () => listener.closed());
  return socket;
}

main();
