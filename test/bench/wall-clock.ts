/** Milliseconds since 1970 with fractions: comparable between processes of one host, as long as its clock is not set. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
