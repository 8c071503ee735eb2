import type { UnitOption } from "@fleet/core";
import { Engine } from "@fleet/engine";
import type { Change, EngineWrite } from "@fleet/registry";
import { type LogFields, type Logger, type Metrics, silentLogger, silentMetrics } from "@fleet/runtime";
import { FakeRegistry } from "./fake-registry.ts";
import { ManualClock, quiet } from "./manual-clock.ts";

/** An engine that leads, over a scripted registry. */
export class EngineBench {
  readonly registry = new FakeRegistry();
  readonly clock = new ManualClock();
  readonly log: { readonly event: string; readonly fields: LogFields | undefined }[] = [];
  readonly engine: Engine;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(metrics: Metrics, atMs: number) {
    this.clock.advance(atMs);
    const note = (event: string, fields?: LogFields): void => void this.log.push({ event, fields });
    const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
    this.engine = new Engine({
      registry: this.registry,
      clock: this.clock,
      random: () => 0.5,
      logger,
      metrics,
      machineId: "m0",
      leaderTtlMs: 5_000,
      agentTtlMs: 30_000,
      auditIntervalMs: 60_000,
    });
    this.#running = this.engine.run(this.#stop.signal);
  }

  static async start({ metrics = silentMetrics, atMs = 0 } = {}): Promise<EngineBench> {
    const bench = new EngineBench(metrics, atMs);
    await quiet();
    return bench;
  }

  /** Stops the engine. Fails when it did not come to an end by itself, whatever the test has looked at. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.registry.ranAway) throw new Error("the engine committed again and again without an end");
  }

  machine(machineId: string, metadata: Record<string, string> = {}, leaving = false): Change {
    const value = {
      id: machineId,
      token: "t",
      publicIp: "10.0.0.1",
      metadata,
      leaving,
      formats: [1],
      version: "2",
    };
    return { kind: "machine", machineId, entry: this.registry.entry(value) };
  }

  unit(name: string, hash = "h1"): Change {
    const value = { hash, target: "launched" as const, generation: this.registry.revision };
    return { kind: "unit", name, entry: this.registry.entry(value) };
  }

  body(hash: string, xFleet: Readonly<Record<string, string>> = {}): Change {
    const options: UnitOption[] = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
    for (const [name, value] of Object.entries(xFleet)) options.push({ section: "X-Fleet", name, value });
    return { kind: "body", hash, entry: this.registry.entry(options) };
  }

  /** Everything committed so far, in words. */
  words(): string[] {
    return this.registry.commits.flat().map(word);
  }
}

function word(write: EngineWrite): string {
  switch (write.op) {
    case "assign":
    case "assign-exclusive":
    case "withdraw":
      return `${write.op} ${write.unit} ${write.machineId}`;
    case "release-exclusive":
    case "reschedule":
    case "forget-reschedule":
      return `${write.op} ${write.unit}`;
    case "settle":
      return `settle ${write.machineId}`;
    case "collect-body":
      return `collect ${write.hash}`;
    case "advance-restart":
      return `restart ${write.record.state} ${write.record.steps.map(({ unit, state }) => `${unit} ${state}`)}`;
    case "hold-losses":
      return `hold ${write.record?.machines.join(",") ?? "nothing"}`;
    case "forget-confirmed-losses":
      return "forget confirmed losses";
    case "forget-restart":
      return `forget ${write.id}`;
  }
}
