/**
 * White space as fleet's unit file reader (Go's unicode.IsSpace) sees it. Not JavaScript's own `trim`: that one
 * also strips U+FEFF and leaves U+0085, and a different trim is a different unit hash.
 */
function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code < 0x85) return false;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** Linear, unlike a regular expression for trailing space, which is quadratic on long inner runs of blanks. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** The white-space separated words of a text, empty ones left out. */
export function words(text: string): readonly string[] {
  const found: string[] = [];
  let start = -1;
  for (let at = 0; at <= text.length; at++) {
    const space = at === text.length || isSpace(text.charCodeAt(at));
    if (space && start !== -1) {
      found.push(text.slice(start, at));
      start = -1;
    } else if (!space && start === -1) {
      start = at;
    }
  }
  return found;
}

/** Length of a text in UTF-8 bytes, the measure of systemd's and etcd's limits. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x80) bytes++;
    // A surrogate pair is two code units and four bytes: no third byte for either half.
    if (code >= 0x800 && (code < 0xd800 || code > 0xdfff)) bytes++;
  }
  return bytes;
}
