import { readFile } from "node:fs/promises";
import { openApiDocument } from "@fleet/api";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { serveApi } from "./served-api.ts";

const checkedIn = "docs/openapi.json";

async function readCheckedIn(): Promise<unknown> {
  return JSON.parse(await readFile(checkedIn, "utf8"));
}

test(`${checkedIn} is what is served: when this fails, run "npm run openapi" and commit it`, async () => {
  const served = await serveApi(new RegistryTwin());
  try {
    for (const prefix of ["/fleet/v1", "/v1-alpha"]) {
      const answer = await served.ask("GET", `${prefix}/openapi.json`);
      expect([answer.status, answer.json]).toEqual([200, await readCheckedIn()]);
    }
  } finally {
    await served.stop();
  }
});

test("the document is valid OpenAPI 3.1, and all its references lead somewhere", async () => {
  const validator = new Validator();
  expect(await validator.validate({ ...openApiDocument() })).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
  expect(() => validator.resolveRefs()).not.toThrow();
});

test("the validator finds what is wrong", async () => {
  const { info: _left, ...withoutInfo } = openApiDocument();
  expect(await new Validator().validate(withoutInfo)).toMatchObject({ valid: false });
  const { components: _out, ...withoutSchemas } = openApiDocument();
  const validator = new Validator();
  await validator.validate(withoutSchemas);
  expect(() => validator.resolveRefs()).toThrow();
});
