import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const packageDirectory = fileURLToPath(new URL(".", import.meta.url));

/**
 * Writes the dashboard into a directory, which then holds nothing else: `index.html`, and beside it a script, a style sheet
 * and an icon with a hash of their content in their names, so that a browser may keep them for good.
 *
 * @param {string} directory
 */
export async function buildDashboard(directory) {
  const { outputFiles } = await build({
    absWorkingDir: packageDirectory,
    entryPoints: { app: "src/main.tsx", style: "src/style/index.css" },
    outdir: directory,
    entryNames: "[name]-[hash]",
    write: false,
    bundle: true,
    minify: true,
    legalComments: "none",
    format: "esm",
    platform: "browser",
    // What has light-dark() in its style sheets.
    target: ["chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    conditions: ["source"],
  });
  const icon = await readFile(join(packageDirectory, "src/icon.svg"));
  const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
  const nameOf = (/** @type {string} */ suffix) =>
    outputFiles.find(({ path }) => path.endsWith(suffix))?.path.slice(directory.length + 1) ?? "";
  const page = await readFile(join(packageDirectory, "src/index.html"), "utf8");
  const html = page
    .replace("app.js", nameOf(".js"))
    .replace("style.css", nameOf(".css"))
    .replace("icon.svg", iconName);

  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await Promise.all([
    writeFile(join(directory, "index.html"), html),
    writeFile(join(directory, iconName), icon),
    ...outputFiles.map(({ path, contents }) => writeFile(path, contents)),
  ]);
}
