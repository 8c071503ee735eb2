import type { JournalStore } from "@fleet/agent";
import { FleetError } from "@fleet/runtime";
import { expect, test } from "vitest";
import { seededRandom } from "../simulation/seeded-random.ts";
import { AgentBench, type AgentProcess, machineId } from "./agent-bench.ts";

const files = [
  "[Service]\nExecStart=/bin/sleep infinity\n",
  "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 3\n",
  "[Service]\nExecStartPre=/bin/sleep 5\nExecStart=/bin/sleep infinity\n",
  "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=default.target\n",
];
const names = ["a.service", "b.service", "c@1.service", "d\\x2de.service"];
const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

/** Everything around one agent fails by turns, and its process ends in every way. */
class Storm {
  readonly bench: AgentBench;
  readonly #random: () => number;
  readonly #wanted = new Map<string, "launched" | "loaded">();
  #agent: AgentProcess;
  #diskFull = false;

  constructor(seed: number) {
    this.bench = new AgentBench(seed);
    this.#random = seededRandom(seed + 1000);
    this.#agent = this.#start();
  }

  #start(): AgentProcess {
    const write = async (change: () => Promise<void>): Promise<void> => {
      if (this.#diskFull) throw new FleetError("journal_failed", "ENOSPC", { retryable: true });
      await change();
    };
    const wrapped = (journal: JournalStore): JournalStore => ({
      load: () => journal.load(),
      put: (entry) => write(() => journal.put(entry)),
      remove: (unit) => write(() => journal.remove(unit)),
    });
    return this.bench.start({ journal: wrapped });
  }

  async run(steps: number): Promise<void> {
    await this.bench.lead();
    for (let step = 0; step < steps; step += 1) {
      await this.#act();
      await this.bench.clock.advance(this.#random() * 2000);
      await this.#settle();
    }
    this.#calm();
    for (let second = 0; second < 90; second += 1) {
      await this.bench.clock.advance(1000);
      await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    if (this.#agent.agent.report().registration !== undefined) await this.bench.settle(this.#agent.agent);
  }

  #calm(): void {
    const { store, manager, directory } = this.#agent;
    store.heal();
    store.loseReplies(0);
    manager.reconnect();
    manager.loseReplies(false);
    directory.fail(undefined);
    this.#diskFull = false;
  }

  async #act(): Promise<void> {
    const { store, manager, directory } = this.#agent;
    const name = names[Math.floor(this.#random() * names.length)] ?? "";
    const acts: readonly (() => void | Promise<void>)[] = [
      () => this.#assign(name),
      () => this.#assign(name),
      () => this.#assign(name),
      () => this.#withdraw(name),
      () => this.#withdraw(name),
      () => this.#calm(),
      () => manager.disconnect(),
      () => manager.loseReplies(true),
      () => store.loseReplies(0.5),
      () => store.cut(),
      () => directory.fail("ENOSPC"),
      () => {
        this.#diskFull = true;
      },
      () => this.#replace(() => this.#agent.kill()),
      () =>
        this.#replace(async () => {
          this.#calm();
          this.#agent.end();
          await this.bench.clock.advance(5000);
          await this.#agent.ended;
          this.#agent.kill();
        }),
    ];
    await acts[Math.floor(this.#random() * acts.length)]?.();
  }

  async #assign(name: string): Promise<void> {
    const target = this.#random() < 0.7 ? "launched" : "loaded";
    await this.bench.assign(name, files[Math.floor(this.#random() * files.length)] ?? "", target);
    this.#wanted.set(name, target);
  }

  async #withdraw(name: string): Promise<void> {
    if (this.#wanted.delete(name)) await this.bench.withdraw(name);
  }

  async #replace(end: () => void | Promise<void>): Promise<void> {
    await end();
    this.#diskFull = false;
    this.#agent = this.#start();
  }

  /** Leaves while everything goes on failing for a while. */
  async leave(): Promise<void> {
    let left = false;
    const { store, manager } = this.#agent;
    if (this.#random() < 0.5) store.cut();
    if (this.#random() < 0.5) manager.disconnect();
    void this.#agent.agent.leave().then(() => {
      left = true;
    });
    await this.bench.clock.advance(this.#random() * 10_000);
    this.#calm();
    await this.bench.clock.advanceUntil(() => left, 60_000, 100);
  }

  async close(): Promise<void> {
    this.#agent.kill();
    await this.bench.close();
  }

  get busy(): readonly string[] {
    return this.#agent.agent.report().busy;
  }

  get launched(): readonly string[] {
    return [...this.#wanted].flatMap(([name, target]) => (target === "launched" ? [name] : [])).sort();
  }

  get assigned(): readonly string[] {
    return [...this.#wanted.keys()].sort();
  }
}

test.each(seeds)("whatever failed, a machine comes to be what it is told to be: seed %i", async (seed) => {
  const storm = new Storm(seed);
  await storm.run(60);
  const { bench } = storm;
  expect(storm.busy).toEqual([]);
  expect(bench.systemd.files()).toEqual(storm.assigned);
  expect(bench.systemd.running()).toEqual(storm.launched);
  expect(names.filter((name) => bench.row(name) !== undefined)).toEqual(storm.assigned);
  await storm.leave();
  expect(bench.systemd.files()).toEqual([]);
  expect(bench.systemd.running()).toEqual([]);
  await bench.clock.advance(6000);
  expect(bench.etcd.range({ from: `/fleet/machines/${machineId}` }).rows).toEqual([]);
  await storm.close();
});
