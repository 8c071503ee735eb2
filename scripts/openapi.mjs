// `npm run openapi`: writes what the API serves at /fleet/v1/openapi.json to docs/openapi.json.

import { writeFileSync } from "node:fs";
import { openApiDocument } from "../packages/api/dist/index.js";

const file = new URL("../docs/openapi.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(), undefined, 2)}\n`);
