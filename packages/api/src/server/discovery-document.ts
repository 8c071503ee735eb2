import { type Operation, operationList } from "../contract/operations.ts";
import { type JsonSchema, jsonSchemas, schemaName } from "../contract/schemas.ts";

/**
 * The API's description in the format of Google's API Discovery v1, whose schemas are of JSON Schema draft 3: a
 * property itself says that it is required, a reference is a bare name, and there is neither null nor union.
 *
 * `rootUrl` ends in a slash. `prefix` is where this API is mounted below it: `/fleet/v1`.
 */
export function discoveryDocument(rootUrl: string, prefix: string) {
  const servicePath = `${prefix.slice(1)}/`;
  return {
    ...description(),
    rootUrl,
    servicePath,
    basePath: `${prefix}/`,
    baseUrl: `${rootUrl}${servicePath}`,
  };
}

function description() {
  return {
    kind: "discovery#restDescription",
    discoveryVersion: "v1",
    id: "fleet:v1",
    name: "fleet",
    version: "v1",
    title: "fleet API",
    description: "Units, their states and the machines of a cluster.",
    protocol: "rest",
    parameters: {
      alt: {
        type: "string",
        description: "Data format of the answer. Clients of this format send it; it is ignored.",
        default: "json",
        enum: ["json"],
        location: "query",
      },
    },
    schemas: schemas(),
    resources: resources(),
  };
}

function schemas(): Readonly<Record<string, DraftThree>> {
  const all: Record<string, DraftThree> = {};
  for (const [id, schema] of jsonSchemas((name) => name)) all[id] = { id, ...draftThree(schema) };
  return all;
}

function resources() {
  const all: Record<string, { methods: Record<string, ReturnType<typeof methodOf>> }> = {};
  for (const [, operation] of operationList) {
    const verb = operation.id.slice(operation.id.lastIndexOf(".") + 1);
    const methods = { ...all[operation.resource]?.methods, [verb]: methodOf(operation) };
    all[operation.resource] = { methods };
  }
  return all;
}

function methodOf({ id, method, path, summary, body, answers, ...operation }: Operation) {
  const pathNames = Object.keys(operation.pathParameters ?? {});
  const parameters: Record<string, object> = {};
  for (const [name, description] of Object.entries(operation.pathParameters ?? {})) {
    parameters[name] = { type: "string", description, required: true, location: "path" };
  }
  for (const [name, description] of Object.entries(operation.queryParameters ?? {})) {
    parameters[name] = { type: "string", description, location: "query" };
  }
  const answered = Object.entries(answers).find(([status]) => Number(status) < 300)?.[1].shape;
  return {
    id,
    description: summary,
    httpMethod: method,
    path: path.slice(1),
    parameters,
    parameterOrder: pathNames,
    ...(body === undefined ? {} : { request: { $ref: schemaName(body) } }),
    ...(answered === undefined ? {} : { response: { $ref: schemaName(answered) } }),
    // The answer is a stream of what `response` describes, opened by an upgrade to a WebSocket.
    ...(101 in answers ? { supportsSubscription: true } : {}),
  };
}

interface DraftThree {
  readonly id?: string;
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly required?: true;
  readonly default?: string;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, DraftThree>>;
  readonly additionalProperties?: DraftThree;
  readonly items?: DraftThree;
}

function draftThree(schema: JsonSchema | boolean): DraftThree {
  if (typeof schema === "boolean") return { type: "any" };
  const { description, default: preset, pattern } = schema;
  return {
    ...kindOf(schema),
    ...(description === undefined ? {} : { description }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(typeof preset === "string" ? { default: preset } : {}),
  };
}

function kindOf(schema: JsonSchema): DraftThree {
  if (schema.$ref !== undefined) return { $ref: schema.$ref };
  const [only, ...others] = (schema.anyOf ?? []).filter(({ type }) => type !== "null");
  if (only !== undefined && others.length === 0) return draftThree(only);
  const [type = "any", ...moreTypes] = [schema.type ?? []].flat().filter((each) => each !== "null");
  if (moreTypes.length > 0) return { type: "any" };
  switch (type) {
    case "object":
      return objectOf(schema);
    case "array":
      return { type, items: draftThree(Array.isArray(schema.items) ? true : (schema.items ?? true)) };
    case "number":
      return { type, format: "double" };
    case "integer":
      return { type, format: "int32" };
    default: {
      const values = schema.const === undefined ? schema.enum : [schema.const];
      return { type, ...(values === undefined ? {} : { enum: values.map(String) }) };
    }
  }
}

function objectOf({ properties = {}, required = [], additionalProperties }: JsonSchema): DraftThree {
  const described: Record<string, DraftThree> = {};
  for (const [name, property] of Object.entries(properties)) {
    described[name] = { ...draftThree(property), ...(required.includes(name) ? { required: true } : {}) };
  }
  return {
    type: "object",
    ...(Object.keys(described).length === 0 ? {} : { properties: described }),
    ...(additionalProperties === undefined || additionalProperties === false
      ? {}
      : { additionalProperties: draftThree(additionalProperties) }),
  };
}
