/** The only source of randomness: a number in [0, 1). The simulation passes a seeded one. */
export type Random = () => number;

/** The randomness of the machine. Not for secrets. */
export const systemRandom: Random = () => Math.random();

/** A random lower-case hexadecimal string of `digits` digits. */
export function randomHex(random: Random, digits: number): string {
  let text = "";
  while (text.length < digits) text += Math.floor(random() * 16).toString(16);
  return text;
}
