import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { z } from "zod";

/** Environment that makes a node process say where it can be inspected, on its stderr. */
export const inspectable: NodeJS.ProcessEnv = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

/** What a process holds once everything that nobody can reach is gone. */
export interface Holdings {
  readonly heapMiB: number;
  /** Entries of all Maps and Sets. */
  readonly entries: number;
  /** Listeners of all AbortSignals and event emitters. */
  readonly listeners: number;
  /** What may keep the event loop alive: sockets, timers, requests. */
  readonly resources: number;
}

// The inspector's own protocol: what does not answer to a request has no id.
const answer = z.object({
  id: z.number().optional(),
  error: z.object({ message: z.string() }).optional(),
  result: z.unknown(),
});
type Answer = z.infer<typeof answer>;
const reference = z.object({ result: z.object({ objectId: z.string() }) });
const references = z.object({ objects: z.object({ objectId: z.string() }) });
const number = z.object({ result: z.object({ value: z.number() }) });
const heapUsage = z.object({ usedSize: z.number() });

// Run in the inspected process. The prototypes themselves are among what is found, and have no size or listeners.
const countEntries = `function () {
  let count = 0;
  for (const each of this) try { count += each.size; } catch {}
  return count;
}`;
const countListeners = `function () {
  const { getEventListeners } = process.getBuiltinModule("node:events");
  let count = 0;
  for (const each of this) try {
    if (each instanceof AbortSignal) count += getEventListeners(each, "abort").length;
    else for (const name of each.eventNames()) count += each.listenerCount(name);
  } catch {}
  return count;
}`;

/** Looks into a process of node from outside, by the inspector's protocol. */
export class HeapInspector {
  readonly #socket: WebSocket;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #requests = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      const told = answer.parse(JSON.parse(String(data)));
      if (told.id === undefined) return;
      this.#open.get(told.id)?.(told);
      this.#open.delete(told.id);
    });
    socket.once("close", () => {
      const error = { message: "the inspected process has gone" };
      for (const end of this.#open.values()) end({ error, result: undefined });
      this.#open.clear();
    });
  }

  /** `log`: the file that the process writes its stderr to. */
  static async connect(log: string): Promise<HeapInspector> {
    const [, url] = /^Debugger listening on (ws:\S+)$/m.exec(readFileSync(log, "utf8")) ?? [];
    if (url === undefined) throw new Error(`${log} does not say where the process can be inspected`);
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return new HeapInspector(socket);
  }

  async holdings(): Promise<Holdings> {
    const entries = (await this.#count("Map", countEntries)) + (await this.#count("Set", countEntries));
    const emitter = 'process.getBuiltinModule("node:events").EventEmitter';
    const listeners =
      (await this.#count("AbortSignal", countListeners)) + (await this.#count(emitter, countListeners));
    const resources = number.parse(
      await this.#ask("Runtime.evaluate", { expression: "process.getActiveResourcesInfo().length" }),
    ).result.value;
    // What has been found is held until it is released.
    await this.#ask("Runtime.releaseObjectGroup", { objectGroup: "counted" });
    await this.#ask("HeapProfiler.collectGarbage", {});
    const { usedSize } = heapUsage.parse(await this.#ask("Runtime.getHeapUsage", {}));
    return { heapMiB: usedSize / 2 ** 20, entries, listeners, resources };
  }

  close(): void {
    this.#socket.close();
  }

  async #count(type: string, counting: string): Promise<number> {
    const objectGroup = "counted";
    const expression = `${type}.prototype`;
    const prototype = reference.parse(await this.#ask("Runtime.evaluate", { expression, objectGroup }));
    const found = references.parse(
      await this.#ask("Runtime.queryObjects", { prototypeObjectId: prototype.result.objectId, objectGroup }),
    );
    const counted = await this.#ask("Runtime.callFunctionOn", {
      objectId: found.objects.objectId,
      functionDeclaration: counting,
      returnByValue: true,
    });
    return number.parse(counted).result.value;
  }

  #ask(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#requests += 1;
    const id = this.#requests;
    return new Promise((resolve, reject) => {
      this.#open.set(id, ({ error, result }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
