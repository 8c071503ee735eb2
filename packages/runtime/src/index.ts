export { Backoff, type BackoffOptions } from "./backoff.ts";
export { type CancelTimer, type Clock, sleep, systemClock } from "./clock.ts";
export {
  AbortedError,
  assertNever,
  errorCode,
  errorMessage,
  FleetError,
  throwIfAborted,
} from "./errors.ts";
export { LineLogger, type LogFields, type Logger, type LogLevel, silentLogger } from "./logger.ts";
export { LevelLoop, type LevelLoopOptions } from "./loop.ts";
export {
  type Counter,
  type GaugeSample,
  type Histogram,
  type HistogramDefinition,
  type LabelValues,
  latencyBuckets,
  type MetricDefinition,
  type Metrics,
  silentMetrics,
} from "./metrics.ts";
export { type Random, randomHex, systemRandom } from "./random.ts";
export { type SuperviseOptions, supervise } from "./supervise.ts";
