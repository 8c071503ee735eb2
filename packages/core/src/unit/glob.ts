/**
 * Globs on unit names, with the syntax of Go's path.Match as fleet has it: `*` any characters, `?` one, `[a-z]`
 * and `[^a]` one of (or not of) a class, `\` takes the next character literally. A malformed glob (an open
 * class, a final backslash) matches nothing.
 */

/** What one step of a glob accepts. */
type Step =
  | { readonly kind: "any" }
  | { readonly kind: "one"; readonly accepts: (code: number) => boolean; readonly next: number }
  | { readonly kind: "malformed" };

const anyCharacters: Step = { kind: "any" };

/**
 * Whether the glob matches the whole name. Time is bounded by the product of their lengths: after a mismatch only
 * the last `*` is tried again, which is enough because an earlier one could only reach the same state later.
 */
export function matchGlob(glob: string, name: string): boolean {
  let at = 0;
  let from = 0;
  let star: { readonly at: number; from: number } | undefined;

  while (at < glob.length || from < name.length) {
    // Most of a glob is plain text, and the scheduler matches a great many: no step is built for that.
    if (at < glob.length && glob.charCodeAt(at) === name.charCodeAt(from) && !isSpecial(glob, at)) {
      at++;
      from++;
      continue;
    }
    const step = at < glob.length ? stepAt(glob, at) : undefined;
    if (step?.kind === "malformed") return false;
    if (step?.kind === "any") {
      at++;
      star = { at, from };
    } else if (step !== undefined && from < name.length && step.accepts(name.charCodeAt(from))) {
      at = step.next;
      from++;
    } else if (star !== undefined && from < name.length) {
      star.from++;
      at = star.at;
      from = star.from;
    } else {
      return false;
    }
  }
  return true;
}

/** The one name the glob matches, escapes resolved; undefined for a real pattern or a malformed glob. */
export function literalOf(glob: string): string | undefined {
  if (!/[*?[\\]/.test(glob)) return glob;
  let literal = "";
  for (let at = 0; at < glob.length; at++) {
    if (glob[at] === "\\") {
      at++;
      if (at === glob.length) return undefined;
    } else if (isSpecial(glob, at)) {
      return undefined;
    }
    literal += glob.charAt(at);
  }
  return literal;
}

/** Whether the glob follows the syntax: one that does not matches nothing. */
export function isWellFormedGlob(glob: string): boolean {
  for (let at = 0; at < glob.length; ) {
    const step = stepAt(glob, at);
    if (step.kind === "malformed") return false;
    at = step.kind === "any" ? at + 1 : step.next;
  }
  return true;
}

/** Takes each character of a text literally, e.g. a unit name put into a glob (names may hold backslashes). */
export function escapeGlob(text: string): string {
  return text.replace(/[*?[\\]/g, "\\$&");
}

function isSpecial(glob: string, at: number): boolean {
  const char = glob[at];
  return char === "*" || char === "?" || char === "[" || char === "\\";
}

function stepAt(glob: string, at: number): Step {
  switch (glob.charAt(at)) {
    case "*":
      return anyCharacters;
    case "?":
      return { kind: "one", accepts: () => true, next: at + 1 };
    case "[":
      return classAt(glob, at);
    default: {
      const literal = characterAt(glob, at);
      if (literal === undefined) return { kind: "malformed" };
      return { kind: "one", accepts: (code) => code === literal.code, next: literal.next };
    }
  }
}

/** A class in brackets. As in Go, a bare `-` or `]` cannot stand where a character is expected. */
function classAt(glob: string, start: number): Step {
  const negated = glob.charAt(start + 1) === "^";
  const ranges: { readonly low: number; readonly high: number }[] = [];
  let at = start + (negated ? 2 : 1);
  while (ranges.length === 0 || glob.charAt(at) !== "]") {
    const low = classCharacterAt(glob, at);
    if (low === undefined) return { kind: "malformed" };
    const high = glob.charAt(low.next) === "-" ? classCharacterAt(glob, low.next + 1) : low;
    if (high === undefined) return { kind: "malformed" };
    ranges.push({ low: low.code, high: high.code });
    at = high.next;
  }
  return {
    kind: "one",
    accepts: (code) => ranges.some(({ low, high }) => low <= code && code <= high) !== negated,
    next: at + 1,
  };
}

function classCharacterAt(
  glob: string,
  at: number,
): { readonly code: number; readonly next: number } | undefined {
  const char = glob.charAt(at);
  return char === "-" || char === "]" ? undefined : characterAt(glob, at);
}

function characterAt(glob: string, at: number): { readonly code: number; readonly next: number } | undefined {
  const start = glob.charAt(at) === "\\" ? at + 1 : at;
  return start < glob.length ? { code: glob.charCodeAt(start), next: start + 1 } : undefined;
}
