import { type Clock, errorCode, errorMessage, type Logger, sleep } from "@fleet/runtime";

/** The heap of a process, and how much the process works. */
export interface Heap {
  /** CPU time used so far. */
  cpuMs(): number;
  /** Bytes that objects take, dead ones among them, and bytes held for objects altogether. */
  size(): { readonly usedBytes: number; readonly heldBytes: number };
  /** Collects all garbage and gives back what is free then. Nothing else runs meanwhile. */
  release(): Promise<void>;
}

export interface HeapReleaseOptions {
  readonly heap: Heap;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookMs = 10_000;
/** Who works more than this share of a core is not quiet: what is free now is needed again soon. */
const quietShare = 0.02;
/** What has grown by less is left alone. */
const growthBytes = 16 * 1_024 ** 2;
/** A larger heap is left to V8's own pace: the process would stand still for too long. */
const largestBytes = 96 * 1_024 ** 2;
/** Work that comes again and again must not have all of its memory given back each time. */
const pauseMs = 60_000;

/**
 * Gives memory back to the kernel once the process is quiet after a burst of work: V8 itself keeps a young generation that
 * has grown, and pages that are half empty, for as long as little is allocated. Once for each burst, and not at all where
 * that would take long. Resolves when the signal fires, or when the heap cannot be released.
 */
export async function releaseHeapWhenQuiet(options: HeapReleaseOptions, signal: AbortSignal): Promise<void> {
  const { heap, clock, logger } = options;
  let keptBytes = 0;
  let earliestMs = clock.monotonic();
  let looked = { ms: clock.monotonic(), cpuMs: heap.cpuMs() };
  for (;;) {
    await sleep(clock, lookMs, signal).catch(() => {});
    if (signal.aborted) return;
    const before = looked;
    looked = { ms: clock.monotonic(), cpuMs: heap.cpuMs() };
    if (looked.cpuMs - before.cpuMs > quietShare * (looked.ms - before.ms)) continue;
    const { usedBytes, heldBytes } = heap.size();
    if (looked.ms < earliestMs || heldBytes < keptBytes + growthBytes || usedBytes > largestBytes) continue;
    try {
      await heap.release();
    } catch (error) {
      logger.warn("heap_not_released", { code: errorCode(error), message: errorMessage(error) });
      return;
    }
    keptBytes = heap.size().heldBytes;
    earliestMs = looked.ms + pauseMs;
    logger.debug("heap_released", {
      held_bytes: heldBytes,
      kept_bytes: keptBytes,
      took_ms: Math.round(clock.monotonic() - looked.ms),
    });
  }
}
