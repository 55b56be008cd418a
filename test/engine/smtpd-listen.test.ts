/** Where the smtpd engine listens. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Smtpd } from '../../lib/server.js';
import { Lines } from '../helpers/lines.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

test('a UNIX socket: its clients are this machine', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lines = new Lines();
  const smtpd = new Smtpd({ logger: lines, onData: () => undefined });
  const path = join(folder, 'smtpd.sock');
  const listener = await smtpd.listen({ path });
  expect(listener.address).toBe(path);
  const socket = connect(path);
  await once(socket, 'connect');
  const client = new RawClient(socket);
  expect(await client.reply()).toMatch(/^220/);
  expect(await client.command('QUIT')).toMatch(/^221/);
  client.end();
  await lines.line(/^disconnect/);
  expect(lines.all[0]).toBe('connect from unknown[127.0.0.1]');
  await smtpd.close();
  expect(existsSync(path)).toBe(false);
});

test('IPv4 clients of a dual-stack listener are IPv4 clients', async () => {
  const { port, lines } = await startSmtpd({}, { host: '::' });
  const client = await RawClient.greeted(port);
  await client.command('QUIT');
  client.end();
  expect(await lines.line(/^connect/)).toBe('connect from unknown[127.0.0.1]');
});

test('two listeners share a port with reusePort', async () => {
  const { smtpd, port } = await startSmtpd({}, { reusePort: true });
  const second = await smtpd.listen({ host: '127.0.0.1', port, reusePort: true });
  expect(second.port).toBe(port);
});

test('a closed listener takes nobody, its sessions go on', async () => {
  const smtpd = new Smtpd({ logger: new Lines(), onData: () => undefined });
  onTestFinished(() => smtpd.close(true));
  const listener = await smtpd.listen({ host: '127.0.0.1', port: 0 });
  const client = await RawClient.greeted(listener.port);
  listener.close();
  listener.close();
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok');
  await expect(RawClient.connect(listener.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

describe('refused', () => {
  test.each([
    [{ host: 'localhost' }, 'usage', 'INVALID_ARGUMENT'],
    [{ host: '192.0.2.1', port: 0 }, 'config', 'LISTEN_FAILED'],
    [{ host: '127.0.0.1', port: 70_000 }, 'usage', 'INVALID_ARGUMENT'],
    [{ path: `/${'x'.repeat(200)}` }, 'usage', 'INVALID_ARGUMENT'],
    [{ fd: 0 }, 'config', 'LISTEN_FAILED'],
  ])('%j: %s %s', async (where, errorClass, code) => {
    const smtpd = new Smtpd({ logger: new Lines(), onData: () => undefined });
    await expect(smtpd.listen(where)).rejects.toMatchObject({ class: errorClass, code });
  });

  test('a port that is taken', async () => {
    const { smtpd, port } = await startSmtpd();
    await expect(smtpd.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    });
  });
});
