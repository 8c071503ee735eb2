/** Breaks a text at its blanks into lines of at most `width` characters, longer words apart. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** The same for a command line: what follows the first line is set in. */
export function wrappedUsage(text: string, width: number): readonly string[] {
  const [first = "", ...more] = wrapped(text, width - 4);
  return [first, ...more.map((line) => `    ${line}`)];
}
