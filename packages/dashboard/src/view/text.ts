/** As fleetctl shortens ids. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** "12 s", "3 min", "2 h", "5 d". */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function agoText(ms: number): string {
  return ms < 1_000 ? "just now" : `${ageText(ms)} ago`;
}

const time = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The time of day, with the date in front when it was not within a day of now. */
export function clockText(at: number, now: number): string {
  return Math.abs(now - at) < 86_400_000 ? time.format(at) : dateAndTime.format(at);
}

export function fullTime(at: number): string {
  return dateAndTime.format(at);
}

/** `1 unit`, `2 units`. */
export function counted(count: number, noun: string): string {
  return `${numberText(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const whole = new Intl.NumberFormat("en");

export function numberText(count: number): string {
  return whole.format(count);
}
