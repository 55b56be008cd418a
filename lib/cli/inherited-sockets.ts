/**
 * Listening sockets that a process is born with: of `mxtls smtpd --workers`, or of a service manager (socket
 * activation, sd_listen_fds(3)). The variables that tell of them are meant for this process alone.
 */
const ours = 'MXTLS_LISTEN_FDS';

/** The variable for a worker that inherits these. */
export function inheritedSocketsVariable(fds: readonly number[]): Record<string, string> {
  return { [ours]: fds.join(',') };
}

/** Sockets of the supervisor; null: there is none. */
export function takeWorkerSockets(environment: NodeJS.ProcessEnv): readonly number[] | null {
  const text = environment[ours];
  Reflect.deleteProperty(environment, ours);
  return text === undefined ? null : text.split(',').map(Number);
}

/** Sockets of a service manager; empty: there are none. */
export function takeActivationSockets(
  environment: NodeJS.ProcessEnv,
  pid: number,
): readonly number[] {
  const { LISTEN_PID: whose, LISTEN_FDS: count } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) {
    Reflect.deleteProperty(environment, name);
  }
  const firstSocket = 3;
  return whose === `${pid}` && count !== undefined && /^\d{1,3}$/.test(count)
    ? Array.from({ length: Number(count) }, (_, i) => firstSocket + i)
    : [];
}
