import { type Operation, type OperationAnswer, operationList } from "../contract/operations.ts";
import { apiPrefixes } from "../contract/paths.ts";
import { type JsonSchema, jsonSchemas, schemaName } from "../contract/schemas.ts";
import { errorBodyShape, type OpenApiDocument } from "../contract/wire.ts";

/** The API's description as OpenAPI 3.1. The same whoever asks: its server URLs are relative. */
export function openApiDocument(): OpenApiDocument {
  return {
    openapi: "3.1.1",
    info: {
      title: "fleet API",
      description:
        "Units, their states and the machines of a cluster. Fields and query parameters that are not known are ignored.",
      // Of the API, not of the daemon.
      version: "1",
      license: { name: "Apache License 2.0", identifier: "Apache-2.0" },
    },
    servers: apiPrefixes.map((url) => ({ url })),
    paths: paths(),
    components: { schemas: Object.fromEntries(jsonSchemas(reference)) },
  };
}

function reference(name: string): string {
  return `#/components/schemas/${name}`;
}

function paths() {
  const byPath: Record<string, Record<string, ReturnType<typeof operationObject>>> = {};
  for (const [name, operation] of operationList) {
    byPath[operation.path] = {
      ...byPath[operation.path],
      [operation.method.toLowerCase()]: operationObject(name, operation),
    };
  }
  return byPath;
}

function operationObject(name: string, { summary, resource, body, answers, ...operation }: Operation) {
  const text: JsonSchema = { type: "string" };
  const parameters = [
    ...Object.entries(operation.pathParameters ?? {}).map(([parameter, description]) => {
      return { name: parameter, in: "path", required: true, description, schema: text };
    }),
    ...Object.entries(operation.queryParameters ?? {}).map(([parameter, description]) => {
      return { name: parameter, in: "query", required: false, description, schema: text };
    }),
  ];
  const responses: Record<string, ReturnType<typeof responseObject>> = {};
  for (const [status, answer] of Object.entries(answers)) responses[status] = responseObject(answer);
  responses.default = responseObject({
    description: "Refused; 503: the daemon cannot reach etcd, or does not trust what it finds there.",
    shape: errorBodyShape,
  });
  return {
    operationId: name,
    tags: [resource],
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, ...jsonContent(body) } }),
    responses,
  };
}

function responseObject({ description, shape }: OperationAnswer) {
  return { description, ...(shape === undefined ? {} : jsonContent(shape)) };
}

function jsonContent(shape: NonNullable<OperationAnswer["shape"]>) {
  return { content: { "application/json": { schema: { $ref: reference(schemaName(shape)) } } } };
}
