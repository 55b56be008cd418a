/** `mxtls tlsmgr` for `mxtls smtpd` in processes of their own. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { Run } from '../helpers/command.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-cli-tlsmgr-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  writeFileSync(join(made, 'key'), randomBytes(32), { mode: 0o600 });
  return made;
}

async function tlsmgr(directory: string, database: string): Promise<Run> {
  const run = new Run([
    ...['tlsmgr', '--listen', join(directory, 'socket')],
    ...['--wrapping-key', join(directory, 'key')],
    ...['-o', `smtpd_tls_session_cache_database=${database}`],
  ]);
  await run.until(() => /^listening /m.test(run.stdout));
  return run;
}

function smtpd(directory: string, cipher: string): Run {
  return new Run([
    ...['smtpd', '--listen', '127.0.0.1:0', '--tlsmgr', join(directory, 'socket')],
    ...['--wrapping-key', join(directory, 'key'), '-o', 'smtpd_tls_wrappermode=yes'],
    ...['-o', `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`],
    ...['-o', `tls_session_ticket_cipher=${cipher}`],
  ]);
}

/** A TLS session up to the greeting. */
async function visit(port: number, session: Buffer | null) {
  const socket = connect({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false },
    ...(session === null ? {} : { session }),
  });
  let given: Buffer | null = null;
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  await once(socket, 'data');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return { session: given as Buffer | null, resumed };
}

/** Each process resumes what each other one began. */
async function allResume(ports: readonly number[]): Promise<boolean> {
  for (const from of ports) {
    for (const to of ports) {
      const { session } = await visit(from, null);
      if (!(await visit(to, session)).resumed) {
        return false;
      }
    }
  }
  return true;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await holds()); ) {
    expect(Date.now()).toBeLessThan(end);
  }
}

test.each(['aes-256-cbc', ''])(
  'four processes resume what each other began, also after a kill -9 of the service (ticket cipher "%s")',
  async (cipher) => {
    const directory = folder();
    const database = `lmdb:${join(directory, 'scache')}`;
    const first = await tlsmgr(directory, database);
    expect(statSync(join(directory, 'socket')).mode & 0o777).toBe(0o600);
    const runs = Array.from({ length: 4 }, () => smtpd(directory, cipher));
    const ports = await Promise.all(runs.map((run) => run.port()));
    await until(() => allResume(ports));
    first.child.kill('SIGKILL');
    await first.exit;
    for (const port of ports) {
      expect((await visit(port, null)).resumed).toBe(false); // the greeting came
    }
    const second = await tlsmgr(directory, database);
    await until(() => allResume(ports));
    for (const run of runs) {
      expect(run.stderr.match(/full TLS handshakes meanwhile/g)).toHaveLength(1);
    }
    second.child.kill('SIGTERM');
    expect(await second.exit).toBe(0);
  },
  60_000,
);

test('tlsmgr_service_name names the service where no option does', async () => {
  const directory = folder();
  await tlsmgr(directory, 'memory:');
  const name = join(directory, 'socket');
  const runs = Array.from(
    { length: 2 },
    () =>
      new Run([
        ...['smtpd', '--listen', '127.0.0.1:0', '-o', `tlsmgr_service_name=${name}`],
        ...['-o', 'smtpd_tls_wrappermode=yes', '-o', 'tls_session_ticket_cipher='],
        ...['-o', `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`],
      ]),
  );
  const ports = await Promise.all(runs.map((run) => run.port()));
  await until(() => allResume(ports));
});
