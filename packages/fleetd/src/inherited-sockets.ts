/** First descriptor that systemd passes (sd_listen_fds(3)). */
const firstFd = 3;
const maxFds = 256;

/**
 * Descriptors of the sockets that systemd passed to this process; none when the variables speak of another
 * process. The variables are removed: a child must not take the sockets for its own.
 */
export function takeInheritedSockets(
  environment: Record<string, string | undefined>,
  pid: number,
): readonly number[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  delete environment.LISTEN_PID;
  delete environment.LISTEN_FDS;
  delete environment.LISTEN_FDNAMES;
  const count = Number(LISTEN_FDS);
  if (Number(LISTEN_PID) !== pid || !Number.isInteger(count) || count < 1 || count > maxFds) return [];
  return Array.from({ length: count }, (_, index) => firstFd + index);
}
