import { getHeapStatistics, setFlagsFromString } from "node:v8";

const mib = 1024 * 1024;
/** A heap above this is that of an engine with a large cluster to lead: collecting often would cost it its lease. */
const largeHeapBytes = 160 * mib;
/** A heap below this has nothing to give back. */
const bareHeapBytes = 32 * mib;
/** How long after the heap last grew V8 is to go on giving back: for good would keep an idle daemon from being idle. */
const thriftMs = 10_000;
const lookMs = 1_000;

/**
 * Lets V8 collect garbage early and give memory back while the heap grows and shortly after: it would otherwise keep
 * more than twice of what an agent needs. The flag is one that V8 looks at with every collection.
 */
export function keepSmallHeapSmall(): void {
  let thrifty = false;
  let knownBytes = 0;
  let grownAtMs = 0;
  const look = (): void => {
    const bytes = getHeapStatistics().total_heap_size;
    const nowMs = performance.now();
    if (bytes > knownBytes) grownAtMs = nowMs;
    knownBytes = bytes;
    const wanted = bytes > bareHeapBytes && bytes <= largeHeapBytes && nowMs - grownAtMs < thriftMs;
    if (wanted === thrifty) return;
    thrifty = wanted;
    setFlagsFromString(wanted ? "--optimize-for-size" : "--no-optimize-for-size");
  };
  look();
  setInterval(look, lookMs).unref();
}
