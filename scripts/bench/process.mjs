// Child processes and what the kernel knows about them: CPU time of all threads, resident memory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * CPU microseconds a process has used, all threads. schedstat counts nanoseconds where
 * /proc/PID/stat counts ticks of 10 ms; a thread that has ended would be missing from the sum, but
 * no server here ends one.
 */
export function cpuMicroseconds(pid) {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, value) => sum + value, 0) / 1000;
}

/** Resident kilobytes (1024 bytes). */
export function residentKb(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Ticks that all cores have worked, and those of this process and the children it has waited for. */
function workedTicks() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ').slice(11, 15);
  return {
    all: user + nice + system + irq + softirq + steal,
    own: own.map(Number).reduce((sum, ticks) => sum + ticks, 0),
  };
}

/** Starts watching; the result tells which share of the work done since was not this run's. */
export function watchOtherWork() {
  const before = workedTicks();
  return () => {
    const now = workedTicks();
    const all = now.all - before.all;
    return all === 0 ? 0 : Math.max(0, 1 - (now.own - before.own) / all);
  };
}

/** A child that talks in lines: `next()` is its next line of stdout, an error once it has ended. */
export class LineChild {
  #child;
  #lines;
  #ended;

  /** As many descriptors as the system allows, and the same process id through the exec. */
  constructor(command, args, env = {}) {
    const shell = 'ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"';
    this.#child = spawn('sh', ['-c', shell, command, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdin.on('error', () => {});
    this.#ended = once(this.#child, 'close');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get pid() {
    return this.#child.pid;
  }

  async next() {
    const { value, done } = await this.#lines.next();
    if (done) {
      const [code, signal] = await this.#ended;
      throw new Error(`${this.#child.spawnargs[3]} ended early (${signal ?? `status ${code}`})`);
    }
    return value;
  }

  async ask(line) {
    this.#child.stdin.write(`${line}\n`);
    return JSON.parse(await this.next());
  }

  endInput() {
    this.#child.stdin.end();
  }

  async stop() {
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}
