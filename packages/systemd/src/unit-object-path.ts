const prefix = "/org/freedesktop/systemd1/unit/";

/** The object path of a unit of this name, whether or not it is in memory: asked for anything, systemd loads it. */
export function unitObjectPath(name: string): string {
  const escaped = Array.from(Buffer.from(name), (byte, index) => {
    const character = String.fromCharCode(byte);
    // A digit at the beginning is escaped like anything else.
    const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    return plain.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
  });
  return prefix + escaped.join("");
}

/**
 * The unit name in a D-Bus object path of systemd, where every byte but letters and digits is written as `_` and
 * two hexadecimal digits. Undefined for other objects.
 */
export function unitNameOf(path: string): string | undefined {
  if (!path.startsWith(prefix)) return undefined;
  return path
    .slice(prefix.length)
    .replaceAll(/_([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
