/** Close codes of the `/watch` WebSocket. */
export const watchClose = {
  /** The daemon is stopping. */
  goingAway: 1001,
  /** The receiver was too slow and has missed changes: connect again for a fresh snapshot. */
  resync: 4001,
} as const;
