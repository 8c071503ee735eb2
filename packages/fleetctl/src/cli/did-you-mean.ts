/** Suggestions made for one word. */
const maxSuggestions = 3;

/** A hint that names the words which the mistyped one resembles; none when nothing is near. */
export function didYouMean(word: string, known: Iterable<string>): readonly string[] {
  return meant(nearest(word, known));
}

/** A hint that names the words; none for no words. */
export function meant(words: readonly string[]): readonly string[] {
  return words.length === 0 ? [] : [`Did you mean ${words.join(" or ")}?`];
}

/**
 * The known words that take the fewest slips of the finger, by name: one slip for every three letters at most, so
 * that a word of one or two resembles no other.
 */
export function nearest(word: string, known: Iterable<string>): readonly string[] {
  const limit = Math.floor(word.length / 3);
  const near: { readonly name: string; readonly slips: number }[] = [];
  for (const name of known) {
    // Each letter too many or missing is a slip: most words of another length need no closer look.
    if (Math.abs(name.length - word.length) > limit) continue;
    const slips = slipsBetween(word, name);
    if (slips <= limit) near.push({ name, slips });
  }
  const fewest = Math.min(...near.map(({ slips }) => slips));
  return near
    .filter(({ slips }) => slips === fewest)
    .map(({ name }) => name)
    .sort()
    .slice(0, maxSuggestions);
}

/** Letters to add, drop, change, or swap with their neighbour, to make one word of the other. */
function slipsBetween(from: string, to: string): number {
  let before: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current.push(
        Math.min(
          at(above, column) + 1,
          at(current, column - 1) + 1,
          at(above, column - 1) + (same ? 0 : 1),
          swapped ? at(before, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    before = above;
    above = current;
  }
  return at(above, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
