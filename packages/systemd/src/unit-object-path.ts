const prefix = "/org/freedesktop/systemd1/unit/";

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
