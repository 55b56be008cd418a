/**
 * Targets: openProxy, takeProxied, keepProxied, readAnswer, readSharedState: what a service that calls itself a tlsproxy may
 * say. A session, none, or a TlsError.
 */
import { ok, strictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { readSharedState, writeSharedState } from '../../lib/delivery/shared-state.js';
import { TlsError } from '../../lib/errors.js';
import { tlsSummary } from '../../lib/log/summary.js';
import { isRefused, readAnswer } from '../../lib/tlsproxy/answer.js';
import { announcement, encodeLine } from '../../lib/tlsproxy/message.js';
import { keepProxied, openProxy, takeProxied } from '../../lib/tlsproxy/requester.js';
import { fuzz, random } from './inputs.js';

const folder = mkdtempSync(join(tmpdir(), 'mxtls-fuzz-'));
const path = join(folder, 'tlsproxy');
let said: readonly Buffer[] = [];
const server = createServer((socket) => {
  socket.on('error', () => undefined).resume();
  for (const part of said) {
    socket.write(part);
  }
  socket.end();
}).listen(path);
await once(server, 'listening');

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** The result, or null where a TlsError says why there is none. */
async function outcome<Result>(asked: Promise<Result>): Promise<Result | null> {
  try {
    return await asked;
  } catch (error) {
    ok(error instanceof TlsError, String(error));
    return null;
  }
}

function parsed(input: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(input.toString());
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

fuzz('tlsproxy-answers', async (input) => {
  said = [input];
  (await outcome(openProxy(path)))?.destroy();
  const cut = random(input.length + 1);
  said = [encodeLine(announcement), input.subarray(0, cut), input.subarray(cut)];
  const session = await outcome(takeProxied(path, 'key'));
  if (session !== null) {
    const { tls: snapshot, state } = session;
    const summary = { snapshot, direction: 'to', use: 'reused', namaddr: 'x' } as const;
    ok(tlsSummary(summary).includes(' TLS connection reused to x: ')); // all that it reads is there
    ok(state === null || typeof state === 'string');
    session.stream.destroy();
  }
  const kept = await outcome(keepProxied(path, { id: 'x', key: 'key' }));
  ok(kept === null || typeof kept === 'boolean');
  const answer = await outcome((async () => readAnswer(parsed(input)))());
  ok(answer === null || isRefused(answer) || typeof answer.id === 'string');
  const state = readSharedState(input.toString());
  strictEqual(
    JSON.stringify(state && readSharedState(writeSharedState(state))),
    JSON.stringify(state),
  );
});
