/**
 * Why this version of Node will not do; undefined when it will. Checked by hand, because nothing is installed yet.
 *
 * @param {string} version as in `process.versions.node`
 * @param {string} range `engines.node` of package.json, made of `^20.17` (this major only) and `>=22.3` joined by `||`
 */
export function nodeProblem(version, range) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fits = range.split("||").some((part) => {
    const [, operator, oldestMajor, oldestMinor] = /^\s*(\^|>=)(\d+)\.(\d+)\s*$/.exec(part) ?? [];
    if (operator === undefined) throw new Error(`engines.node in package.json: cannot read ${part}`);
    const sameMajor = major === Number(oldestMajor);
    if (sameMajor) return minor >= Number(oldestMinor);
    return operator === ">=" && major > Number(oldestMajor);
  });
  return fits ? undefined : `Node ${range} is needed; this is ${version}`;
}
