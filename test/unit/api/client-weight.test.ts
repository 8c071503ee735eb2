import { build } from "esbuild";
import { expect, test } from "vitest";

test("the client loads neither the schema library nor the server, and the stream library only to watch", async () => {
  const { metafile } = await build({
    entryPoints: ["packages/api/src/client/index.ts"],
    bundle: true,
    write: false,
    metafile: true,
    splitting: true,
    outdir: "unused",
    format: "esm",
    platform: "node",
    conditions: ["source"],
    logLevel: "silent",
  });
  const entry = Object.values(metafile.outputs).find((output) =>
    output.entryPoint?.endsWith("client/index.ts"),
  );
  if (entry === undefined) throw new Error("no entry");
  const loaded = new Set<string>();
  const visit = (output: (typeof metafile.outputs)[string]): void => {
    for (const input of Object.keys(output.inputs)) loaded.add(input);
    for (const { path, kind } of output.imports) {
      const imported = metafile.outputs[path];
      if (kind === "import-statement" && imported !== undefined) visit(imported);
    }
  };
  visit(entry);
  expect([...loaded].filter((input) => input.includes("node_modules"))).toEqual([]);
  expect(Object.keys(metafile.inputs).filter((input) => /node_modules\/(zod|fastify)\//.test(input))).toEqual(
    [],
  );
  expect([...loaded]).toContain("packages/api/src/client/transport.ts");
});
