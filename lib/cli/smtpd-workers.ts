/** `mxtls smtpd --workers N`: the process that starts the others and keeps them running. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { HostPort } from './address.js';
import { exitCode } from './command.js';
import { inheritedSocketsVariable } from './inherited-sockets.js';
import { firstSignal, onHangUp } from './signals.js';
import { announcement, atEach } from './smtpd-listen.js';

export interface WorkersProps {
  readonly count: number;
  readonly places: readonly HostPort[];
  /** Sockets that there are already; all workers share them. */
  readonly sockets: readonly number[];
  /** Of `mxtls smtpd`: the workers get the same. */
  readonly args: readonly string[];
}

const main = fileURLToPath(new URL('main.js', import.meta.url));
/** Where a worker finds its sockets: after the three streams and the IPC channel. */
const firstSocket = 4;

/** Runs the workers until a signal comes; the exit code. */
export async function supervise({ count, places, sockets, args }: WorkersProps): Promise<number> {
  const [{ openListeningSockets }, { Supervisor }, { engineLogger }] = await Promise.all([
    import('../workers/listening-socket.js'),
    import('../workers/supervisor.js'),
    import('../log/logger.js'),
  ]);
  const logger = engineLogger(undefined, 'master');
  const opened = await atEach(places, (place) => openListeningSockets(place, count));
  const supervisor = new Supervisor({
    count,
    logger,
    start: (slot) => startWorker(args, [...sockets, ...opened.map((each) => each[slot]?.fd ?? -1)]),
  });
  const signal = firstSignal((second) => supervisor.signal(second));
  onHangUp(() => supervisor.signal('SIGHUP'));
  const first = await Promise.race([supervisor.opened(), signal]);
  if (first !== null && typeof first === 'object') {
    await supervisor.stop('SIGTERM');
    return first.exitCode ?? exitCode.software;
  }
  if (first === null) {
    process.stdout.write(announcement(opened.flatMap(([socket]) => socket ?? [])));
    logger.info(`${count} workers are ready`);
  }
  logger.info(`${await signal}: ending; workers: ${supervisor.pids.length}`);
  await supervisor.stop(await signal);
  return exitCode.ok;
}

/** In a session of its own: what the terminal sends is for the supervisor, who passes it on. */
function startWorker(args: readonly string[], fds: readonly number[]): ChildProcess {
  const own = fds.map((_, i) => firstSocket + i);
  return spawn(process.execPath, [...process.execArgv, main, 'smtpd', ...args], {
    detached: true,
    env: { ...process.env, ...inheritedSocketsVariable(own) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', ...fds],
  });
}
