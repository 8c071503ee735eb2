import http from "node:http";
import { gunzipSync } from "node:zlib";
import type { Dashboard } from "@fleet/api";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RegistryTwin } from "./registry-twin.ts";
import { type ServedApi, serveApi } from "./served-api.ts";

const script = "export const answer = 42;\n".repeat(100);
const dashboard: Dashboard = {
  actions: true,
  file: async (name) => {
    if (name === "index.html") return Buffer.from("<!doctype html>");
    return name === "app-1a2b.js" || name === "notes.txt" ? Buffer.from(script) : undefined;
  },
};

let registry: RegistryTwin;
let served: ServedApi;

async function serve(options: { readonly dashboard?: Dashboard }): Promise<void> {
  registry = new RegistryTwin();
  served = await serveApi(registry, options);
}

beforeEach(() => serve({ dashboard }));
afterEach(() => served.stop());

describe("the dashboard", () => {
  test("is below /ui/, and nothing of it anywhere else", async () => {
    expect(await served.ask("GET", "/ui/")).toMatchObject({ status: 200, text: "<!doctype html>" });
    expect(await served.ask("GET", "/ui")).toMatchObject({ status: 308, headers: { location: "/ui/" } });
    expect(await served.ask("HEAD", "/ui/")).toMatchObject({ status: 200, text: "" });
    expect(await served.ask("GET", "/")).toMatchObject({ status: 404 });
  });

  test("runs nothing but what it came with, and stands in no frame", async () => {
    for (const path of ["/ui/", "/ui/app-1a2b.js", "/ui/config.json"]) {
      const { headers } = await served.ask("GET", path);
      expect(headers["content-security-policy"]).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(headers["x-content-type-options"]).toBe("nosniff");
    }
  });

  test("has files that may be kept for good, and a page that is asked for each time", async () => {
    expect((await served.ask("GET", "/ui/app-1a2b.js")).headers).toMatchObject({
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
    });
    expect((await served.ask("GET", "/ui/")).headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
    });
  });

  test("is compressed for who asks for it", async () => {
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      const headers = { "accept-encoding": "gzip" };
      http
        .get({ socketPath: served.socketPath, path: "/ui/app-1a2b.js", headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => resolve(Buffer.concat(chunks)));
        })
        .on("error", reject);
    });
    expect(gunzipSync(bytes).toString()).toBe(script);
    expect(bytes.length).toBeLessThan(script.length / 5);
  });

  test.each(["/ui/absent.js", "/ui/notes.txt", "/ui/..%2f..%2fetc%2fpasswd", "/ui/a/b.js", "/ui/%00"])(
    "%s is not found",
    async (path) => {
      expect(await served.ask("GET", path)).toMatchObject({ status: 404 });
    },
  );

  test("cannot be written to", async () => {
    for (const path of ["/ui", "/ui/", "/ui/app-1a2b.js"]) {
      expect(await served.ask("PUT", path, { body: {} })).toMatchObject({
        status: 405,
        headers: { allow: "GET" },
      });
    }
  });

  test("says whether it may change units, and does not need the store", async () => {
    registry.store = "away";
    expect(await served.ask("GET", "/ui/config.json")).toMatchObject({
      status: 200,
      json: { actions: true },
    });
    expect(await served.ask("GET", "/ui/")).toMatchObject({ status: 200 });
  });

  test("is not there where there is none", async () => {
    await served.stop();
    await serve({});
    for (const path of ["/ui", "/ui/", "/ui/config.json"]) {
      expect(await served.ask("GET", path)).toMatchObject({ status: 404 });
    }
  });
});

describe("pages of other sites", () => {
  const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
  const body = { desiredState: "launched", options };

  test.each([
    ["another host", "http://evil.example", 403],
    ["another port", "http://fleet.example:81", 403],
    ["a page without an origin", "null", 403],
    ["our own page", "http://fleet.example", 201],
    ["no page at all", undefined, 201],
  ])("%s", async (_, origin, status) => {
    const headers = { host: "fleet.example", ...(origin === undefined ? {} : { origin }) };
    const answer = await served.ask("PUT", "/fleet/v1/units/a.service", { body, headers });
    expect(answer.status).toBe(status);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
    expect((await served.ask("GET", "/fleet/v1/units/a.service")).status).toBe(status === 201 ? 200 : 404);
  });

  test("nothing is destroyed or posted for them either", async () => {
    const headers = { host: "fleet.example", origin: "http://evil.example" };
    await served.ask("PUT", "/fleet/v1/units/a.service", { body });
    expect((await served.ask("DELETE", "/fleet/v1/units/a.service", { headers })).status).toBe(403);
    expect((await served.ask("PATCH", "/fleet/v1/machines", { body: [], headers })).status).toBe(403);
    expect((await served.ask("POST", "/fleet/v1/losses/confirm", { body: {}, headers })).status).toBe(403);
    expect((await served.ask("GET", "/fleet/v1/units/a.service")).status).toBe(200);
  });

  test("a question before a request from elsewhere is not answered in its favour", async () => {
    const headers = {
      host: "fleet.example",
      origin: "http://evil.example",
      "access-control-request-method": "PUT",
      "access-control-request-headers": "content-type",
    };
    const answer = await served.ask("OPTIONS", "/fleet/v1/units/a.service", { headers });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });
});
