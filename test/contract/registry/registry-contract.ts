import { afterAll, afterEach, beforeAll, describe } from "vitest";
import { describeClusterGuard } from "./cluster-guard-contract.ts";
import { describeDataFormat } from "./data-format-contract.ts";
import { describeEvents } from "./events-contract.ts";
import { describeFollowing } from "./following-contract.ts";
import { describeLeading } from "./leading-contract.ts";
import { describeLosses } from "./losses-contract.ts";
import { describeMachineMetadata } from "./machine-metadata-contract.ts";
import { describeRegistration } from "./registration-contract.ts";
import { type EtcdUnderContract, RegistryBench } from "./registry-bench.ts";
import { describeReseeding } from "./reseeding-contract.ts";
import { describeRestartRequests } from "./restart-requests-contract.ts";
import { describeUnitIntents } from "./unit-intents-contract.ts";

/** What the registry promises, whatever store is below it. */
export function describeRegistry(name: string, start: () => Promise<EtcdUnderContract>): void {
  describe(`the registry over ${name}`, () => {
    const bench = new RegistryBench();

    beforeAll(() => bench.up(start));
    afterEach(() => bench.closeClients());
    afterAll(() => bench.down());

    describeClusterGuard(bench);
    describe("the data format", () => describeDataFormat(bench));
    describeUnitIntents(bench);
    describeEvents(bench);
    describeMachineMetadata(bench);
    describeRestartRequests(bench);
    describeLosses(bench);
    describeRegistration(bench);
    describeLeading(bench);
    describeFollowing(bench);
    describeReseeding(bench);
  });
}
