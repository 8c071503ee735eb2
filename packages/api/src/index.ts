export * from "./contract/index.ts";
export type { ApiRegistry } from "./registry-port.ts";
export { type Api, type ApiOptions, createApi } from "./server/api.ts";
export type { Dashboard } from "./server/dashboard-routes.ts";
export type { Exposition } from "./server/exposition.ts";
export { openApiDocument } from "./server/openapi-document.ts";
