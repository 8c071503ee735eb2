import { describeFullMachines } from "../full-machines.ts";
import { drill, untilActiveCount, useDrillCluster } from "./drill.ts";
import { secondsText, type Timeline } from "./timeline.ts";

const STOP_SECONDS = 8;
/** What is left of a stop when ExecStop has ended, and fleet's share, on a busy host. */
const PATIENCE_MS = STOP_SECONDS * 1_000 + 15_000;

describeFullMachines("ExecStop takes eight seconds", () => {
  const lab = useDrillCluster({
    machines: [{ metadata: { disk: "ssd" } }, { metadata: { disk: "ssd" } }, {}],
  });

  /** Its notes, once as many as expected: ExecStop has begun and ended on the machine that it left, in this order. */
  async function judge(
    timeline: Timeline,
    unit: string,
    why: string,
    restartsElsewhere: boolean,
  ): Promise<void> {
    const count = restartsElsewhere ? 4 : 3;
    await lab.untilEvents(unit, count, PATIENCE_MS).catch(() => undefined);
    const events = lab.events().filter((event) => event.unit === unit);
    const [start, stopping, stopped, elsewhere] = events;
    const tookMs = (stopped?.atMs ?? Number.NaN) - (stopping?.atMs ?? Number.NaN);
    const inOrder =
      start?.what === "start" &&
      stopping?.what === "stopping" &&
      stopped?.what === "stopped with file" &&
      events.length === count &&
      (!restartsElsewhere || (elsewhere?.what === "start" && elsewhere.machine !== start.machine));
    const after =
      elsewhere === undefined
        ? ""
        : `, started on ${elsewhere.machine} ${elsewhere.atMs - (stopped?.atMs ?? 0)} ms later`;
    timeline.event("running", `${unit}: ExecStop took ${secondsText(tookMs)}${after}`);
    timeline.promise(
      `ExecStop completes ${why}`,
      inOrder && tookMs >= STOP_SECONDS * 1_000,
      `${secondsText(tookMs)}${after}${inOrder ? "" : `; ${lab.history(unit).join(", ")}`}`,
    );
  }

  drill("slow-exec-stop", lab, async ({ timeline }) => {
    const text = lab.recordingService({ stopSeconds: STOP_SECONDS });
    const onSsd = lab.recordingService({ stopSeconds: STOP_SECONDS, xFleet: ["MachineMetadata=disk=ssd"] });
    const onThird = lab.recordingService({
      stopSeconds: STOP_SECONDS,
      xFleet: [`MachineID=${lab.machine("m3").id}`],
    });
    const files = {
      "moved.service": onSsd,
      "stopped.service": onThird,
      "destroyed.service": onThird,
      "leaving.service": text,
    };
    await lab.start(files);
    await untilActiveCount(lab, Object.keys(files), 20_000);
    const placements = await lab.placements();

    timeline.fault("fleetctl stop, fleetctl destroy, and the machine of a third unit loses its metadata");
    const { "moved.service": from = "", "leaving.service": leavingFrom = "" } = placements;
    const [, , patched] = await Promise.all([
      lab.fleetctl("stop", "--no-block", "stopped.service"),
      lab.fleetctl("destroy", "--no-block", "destroyed.service"),
      lab.machine("m3").request({
        method: "PATCH",
        path: "/fleet/v1/machines",
        body: [{ op: "replace", path: `/${lab.machine(from).id}/metadata/disk`, value: "tape" }],
      }),
    ]);
    timeline.event("note", `PATCH /fleet/v1/machines: ${patched.status}`);
    await judge(timeline, "stopped.service", "on fleetctl stop", false);
    await judge(timeline, "destroyed.service", "on fleetctl destroy", false);
    await judge(timeline, "moved.service", "before the unit starts on the machine it moves to", true);

    timeline.event("fault", `SIGTERM to fleetd on ${leavingFrom} (systemctl stop fleet.service)`);
    const left = lab.machine(leavingFrom).stopFleetd();
    await judge(
      timeline,
      "leaving.service",
      "when its fleetd is told to end, and only then it starts elsewhere",
      true,
    );
    const code = await left;
    timeline.promise("fleetd ends with exit code 0 after that", code === 0, `exit code ${code}`);
  });
});
