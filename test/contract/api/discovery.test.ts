import { type AddressInfo, connect } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

/** As much of the format as a client generated from a document needs; any other key in a schema fails the test. */
interface Schema {
  readonly id?: string | undefined;
  readonly $ref?: string | undefined;
  readonly type?: "any" | "object" | "array" | "string" | "number" | "integer" | "boolean" | undefined;
  readonly format?: string | undefined;
  readonly description?: string | undefined;
  readonly required?: boolean | undefined;
  readonly default?: string | undefined;
  readonly pattern?: string | undefined;
  readonly enum?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly additionalProperties?: Schema | undefined;
  readonly items?: Schema | undefined;
}
const schemaShape: z.ZodType<Schema> = z.lazy(() =>
  z
    .strictObject({
      id: z.string(),
      $ref: z.string(),
      type: z.enum(["any", "object", "array", "string", "number", "integer", "boolean"]),
      format: z.string(),
      description: z.string(),
      required: z.boolean(),
      default: z.string(),
      pattern: z.string(),
      enum: z.array(z.string()),
      properties: z.record(z.string(), schemaShape),
      additionalProperties: schemaShape,
      items: schemaShape,
    })
    .partial(),
);
const parameterShape = z.object({
  type: z.literal("string"),
  required: z.boolean().default(false),
  location: z.enum(["path", "query"]),
});
const methodShape = z.object({
  id: z.string(),
  description: z.string(),
  httpMethod: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]),
  path: z.string(),
  parameters: z.record(z.string(), parameterShape),
  parameterOrder: z.array(z.string()),
  request: z.object({ $ref: z.string() }).optional(),
  response: z.object({ $ref: z.string() }).optional(),
  supportsSubscription: z.boolean().default(false),
});
type Method = z.infer<typeof methodShape>;
const documentShape = z.object({
  kind: z.literal("discovery#restDescription"),
  discoveryVersion: z.literal("v1"),
  id: z.literal("fleet:v1"),
  name: z.literal("fleet"),
  version: z.literal("v1"),
  protocol: z.literal("rest"),
  rootUrl: z.string(),
  servicePath: z.string(),
  basePath: z.string(),
  baseUrl: z.string(),
  parameters: z.record(z.string(), parameterShape),
  schemas: z.record(z.string(), schemaShape),
  resources: z.record(z.string(), z.object({ methods: z.record(z.string(), methodShape) })),
});
type Document = z.infer<typeof documentShape>;

const m1 = "abcd0001000000000000000000000001";
const unit = "a.service";
const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];

let registry: RegistryTwin;
let served: ServedApi;

beforeEach(async () => {
  registry = new RegistryTwin();
  // Pages of one row, so that every listing has a token for the next.
  served = await serveApi(registry, { tokenLimit: 1 });
  for (const id of [m1, "abcd0002"]) registry.machine(id, "10.0.0.1", { region: "eu" });
  for (const name of [unit, "b.service"]) {
    await registry.intents.put({ name, options });
    registry.assign(m1, name);
    registry.publish(m1, name, {});
  }
  addRestart();
});

afterEach(() => served.stop());

function addRestart(): void {
  const step = { unit, machineId: m1, state: "failed", message: "systemd reports failed (failed)" } as const;
  registry.addRestart("0a1b", { units: [unit], parallel: 1, state: "failed", steps: [step], message: "m" });
}

async function documentAt(prefix: string, host = "localhost"): Promise<Document> {
  const answer = await served.ask("GET", `${prefix}/discovery`, { headers: { host } });
  expect(answer.status).toBe(200);
  return documentShape.parse(answer.json);
}

function methodsOf(document: Document): readonly Method[] {
  const order = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  return Object.values(document.resources)
    .flatMap(({ methods }) => Object.values(methods))
    .sort((one, other) => order.indexOf(one.httpMethod) - order.indexOf(other.httpMethod));
}

/** What a user of a generated client would fill in, by the name of the parameter or field. */
const known: Readonly<Record<string, string>> = {
  unitName: unit,
  machineID: m1,
  units: unit,
  restartID: "0a1b",
  rows: "3",
  unit,
  machine: m1,
  limit: "5",
  kinds: "units,events",
  options: "none",
  since: "1",
  cluster: "c1.1",
  alt: "json",
};

/** The calls a document's method allows: with its required parameters, and with each of the others in turn. */
async function urlsOf(document: Document, method: Method): Promise<readonly string[]> {
  const base = `/${document.servicePath}`;
  expect(method.parameterOrder).toEqual(
    Object.entries(method.parameters).flatMap(([name, { required }]) => (required ? [name] : [])),
  );
  const path = method.path.replaceAll(/\{([^}]+)\}/g, (_braces, name: string) => {
    expect(method.parameters[name]).toMatchObject({ location: "path", required: true });
    return encodeURIComponent(known[name] ?? "");
  });
  expect(path).not.toMatch(/[{}]/);
  const urls = [`${base}${path}`];
  for (const [name, { location }] of Object.entries({ ...document.parameters, ...method.parameters })) {
    if (location !== "query") continue;
    const value = name === "nextPageToken" ? await nextToken(`${base}${path}`) : known[name];
    expect(value, name).toBeDefined();
    urls.push(`${base}${path}?${name}=${encodeURIComponent(value ?? "")}`);
  }
  return urls;
}

async function nextToken(listing: string): Promise<string> {
  const { json } = await served.ask("GET", listing);
  return z.object({ nextPageToken: z.string().min(1) }).parse(json).nextPageToken;
}

/** A body the schema describes. Names and option texts are not free: those that fit the call are taken. */
function bodyOf(document: Document, schema: Schema, field = ""): unknown {
  if (schema.$ref === "UnitOption") return options[0];
  if (schema.$ref !== undefined) return bodyOf(document, document.schemas[schema.$ref] ?? {}, field);
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.pattern !== undefined) {
    return fc.sample(fc.stringMatching(new RegExp(schema.pattern)), { numRuns: 1, seed: 1 })[0];
  }
  switch (schema.type) {
    case "object": {
      const fields = Object.entries(schema.properties ?? {});
      return Object.fromEntries(fields.map(([name, each]) => [name, bodyOf(document, each, name)]));
    }
    case "array":
      return [bodyOf(document, schema.items ?? {}, field)];
    case "integer":
      return 1;
    default:
      return field === "name" || field === "units" ? unit : "text";
  }
}

/** What in the value is not as the schema has it; fields it does not mention included. */
function misfits(document: Document, schema: Schema, value: unknown, at = "body"): readonly string[] {
  if (schema.$ref !== undefined) {
    const named = document.schemas[schema.$ref];
    return named === undefined ? [`${at}: no schema ${schema.$ref}`] : misfits(document, named, value, at);
  }
  if (schema.type === "any") return [];
  if (schema.type === "array") {
    if (!Array.isArray(value)) return [`${at}: no list`];
    return value.flatMap((item, index) => misfits(document, schema.items ?? {}, item, `${at}.${index}`));
  }
  if (schema.type !== "object") {
    const typed = schema.type === "integer" ? Number.isInteger(value) : typeof value === schema.type;
    if (!typed) return [`${at}: no ${schema.type}`];
    return schema.enum?.includes(String(value)) === false ? [`${at}: ${value}`] : [];
  }
  const fields = z.record(z.string(), z.unknown()).safeParse(value);
  if (!fields.success) return [`${at}: no object`];
  const { properties = {}, additionalProperties } = schema;
  return [
    ...Object.entries(properties).flatMap(([name, { required }]) =>
      required === true && !(name in fields.data) ? [`${at}.${name}: missing`] : [],
    ),
    ...Object.entries(fields.data).flatMap(([name, field]) => {
      const described = properties[name] ?? additionalProperties;
      return described === undefined
        ? [`${at}.${name}: not described`]
        : misfits(document, described, field, `${at}.${name}`);
    }),
  ];
}

function firstMessage(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws+unix://${served.socketPath}:${url}`);
    socket.on("error", reject);
    socket.once("message", (data) => {
      socket.close();
      resolve(JSON.parse(data.toString()));
    });
  });
}

describe.each(["/fleet/v1", "/v1-alpha"])("the discovery document of %s", (prefix) => {
  test("describes calls that are answered as it says", async () => {
    const document = await documentAt(prefix);
    const called: string[] = [];
    for (const method of methodsOf(document)) {
      for (const url of await urlsOf(document, method)) {
        const what = `${method.id}: ${method.httpMethod} ${url}`;
        registry.seeding = method.id.startsWith("fleet.Reseed.") ? "running" : "none";
        const body = method.request === undefined ? {} : { body: bodyOf(document, method.request) };
        const answer = method.supportsSubscription
          ? { status: 101, text: "", json: await firstMessage(url) }
          : await served.ask(method.httpMethod, url, body);
        // What was deleted by the call before is there again for the next one.
        if (method.httpMethod === "DELETE") {
          await registry.intents.put({ name: unit, options });
          addRestart();
        }
        if (method.response === undefined) {
          expect([answer.status, answer.text], what).toEqual([expect.toBeOneOf([201, 204]), ""]);
        } else {
          const creates = method.id.endsWith(".Create");
          expect(answer.status, what).toBe(method.supportsSubscription ? 101 : creates ? 201 : 200);
          expect(misfits(document, method.response, answer.json), what).toEqual([]);
        }
        called.push(method.id);
      }
    }
    expect([...new Set(called)].sort()).toEqual([
      "fleet.Backup.Get",
      "fleet.Discovery.Get",
      "fleet.Event.List",
      "fleet.Losses.Confirm",
      "fleet.Losses.Get",
      "fleet.Machine.List",
      "fleet.Machine.Patch",
      "fleet.OpenApi.Get",
      "fleet.Reseed.Begin",
      "fleet.Reseed.Finish",
      "fleet.Reseed.Get",
      "fleet.Restart.Cancel",
      "fleet.Restart.Create",
      "fleet.Restart.Get",
      "fleet.Restart.List",
      "fleet.Unit.Delete",
      "fleet.Unit.Get",
      "fleet.Unit.List",
      "fleet.Unit.Set",
      "fleet.UnitState.Get",
      "fleet.UnitState.List",
      "fleet.Watch.Open",
    ]);
  });

  test("describes bodies that are refused when they are not as it says", async () => {
    const document = await documentAt(prefix);
    for (const method of methodsOf(document)) {
      if (method.request === undefined) continue;
      const [url = ""] = await urlsOf(document, method);
      const answer = await served.ask(method.httpMethod, url, { body: "text" });
      expect([method.id, answer.status]).toEqual([method.id, 400]);
    }
  });

  test("says where it is", async () => {
    const { rootUrl, servicePath, basePath, baseUrl } = await documentAt(prefix);
    expect({ rootUrl, servicePath, basePath, baseUrl }).toEqual({
      rootUrl: "http://localhost/",
      servicePath: `${prefix.slice(1)}/`,
      basePath: `${prefix}/`,
      baseUrl: `http://localhost${prefix}/`,
    });
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(
    "is not for %s: 400, as in fleet",
    async (method) => {
      const answer = await served.ask(method, `${prefix}/discovery`);
      expect([answer.status, answer.headers.allow, answer.json]).toEqual([
        400,
        "GET",
        { error: { code: 400, message: "only GET supported against this resource" } },
      ]);
    },
  );

  test("has a HEAD", async () => {
    const answer = await served.ask("HEAD", `${prefix}/discovery`);
    expect([answer.status, answer.text]).toEqual([200, ""]);
  });
});

describe("the root URL", () => {
  test.each([
    ["10.0.0.1:49153", "http://10.0.0.1:49153/"],
    ["core-1.example.com", "http://core-1.example.com/"],
    ["[fe80::1]:80", "http://[fe80::1]:80/"],
    // What fleet's own client makes up for a unix socket.
    ["domain-sock", "http://domain-sock/"],
    ["a/b", "/"],
    ['"><script>', "/"],
    ["user@host", "/"],
  ])("for the host %j is %s", async (host, rootUrl) => {
    expect((await documentAt("/fleet/v1", host)).rootUrl).toBe(rootUrl);
  });

  test("leads a client that came over TCP back here", async () => {
    const server = served.api.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address: AddressInfo | string | null = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const answer = await fetch(`http://127.0.0.1:${address.port}/fleet/v1/discovery`);
    const { rootUrl, servicePath, baseUrl, resources } = documentShape.parse(await answer.json());
    expect(`${rootUrl}${servicePath}`).toBe(baseUrl);
    const listing = await fetch(`${baseUrl}${resources.Machines?.methods.List?.path}`);
    expect(await listing.json()).toMatchObject({ machines: [{ id: m1 }] });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("without any host is relative", async () => {
    const socket = connect(served.socketPath);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => socket.once("end", resolve));
    socket.write("GET /fleet/v1/discovery HTTP/1.0\r\n\r\n");
    await ended;
    expect(text).toContain('"rootUrl":"/"');
  });
});

test("the documents are there while the store is away", async () => {
  registry.store = "away";
  for (const path of ["discovery", "openapi.json"]) {
    expect((await served.ask("GET", `/fleet/v1/${path}`)).status).toBe(200);
  }
});
