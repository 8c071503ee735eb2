import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "@fleet/lab";
import type { Benchmark } from "../benchmark.ts";
import { besideBareNode, programFigures, warmUpRuns } from "../program-times.ts";

const UNITS = 20;

export const fleetctlStart: Benchmark = {
  name: "fleetctl-start",
  what: `\`fleetctl start\` of a new unit until it has said that it is launched, ${UNITS} times, on one machine`,
  runs: 3,
  run: async (progress, scale) => {
    const cluster = await Cluster.up({ machines: 1, onProgress: progress });
    try {
      const files = unitFiles(cluster.directory.subdirectory("unit-files"), warmUpRuns + scale(UNITS));
      const times = await besideBareNode(
        cluster.machine("m1").endpoint,
        files.map((file) => ["start", file]),
        (output) => {
          if (!output.includes(" launched on ")) throw new Error(`not launched: ${output}`);
        },
      );
      return programFigures("whole process of fleetctl start", times, 100);
    } finally {
      await cluster.down();
    }
  },
};

function unitFiles(directory: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const file = join(directory, `bench-${index}.service`);
    writeFileSync(file, "[Service]\nExecStart=/bin/sleep infinity\n");
    return file;
  });
}
