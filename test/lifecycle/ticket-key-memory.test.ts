/**
 * Forward secrecy: the memory of a process, all of it, has a ticket key while it is in use, once, and nothing of it after
 * two rollovers; a ticket that somebody has recorded is then of no use to anybody.
 */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { versions, visit } from '../helpers/ticket-visit.js';

const script = fileURLToPath(new URL('../helpers/ticket-server.mjs', import.meta.url));
const period = 600_000;

interface Told {
  readonly port: number;
  readonly names: readonly string[];
}

async function startServer() {
  const child = spawn(process.execPath, [script, certificate('ecdsa').chainFile, `${period}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.stdin.end();
  });
  const lines = createInterface({ input: child.stdout });
  const told = async () => JSON.parse(String((await once(lines, 'line'))[0])) as Told;
  return {
    pid: child.pid ?? 0,
    ...(await told()),
    pass: async (ms: number) => {
      child.stdin.write(`pass ${ms}\n`);
      return told();
    },
  };
}

const readAtATime = 1 << 20;

/** Calls with each piece of what a process may write to; pieces overlap by `overlap` bytes. */
function eachPiece(pid: number, overlap: number, look: (piece: Buffer) => void): void {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const buffer = Buffer.alloc(readAtATime);
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    const end = to === undefined ? 0n : BigInt(`0x${to}`);
    for (let at = BigInt(`0x${from ?? '0'}`); at < end; at += BigInt(readAtATime - overlap)) {
      look(buffer.subarray(0, readSome(memory, buffer, at, end)));
    }
  }
  closeSync(memory);
}

/** Regions that the kernel gives to nobody read as empty. */
function readSome(memory: number, buffer: Buffer, at: bigint, end: bigint): number {
  const length = Number(end - at > BigInt(readAtATime) ? BigInt(readAtATime) : end - at);
  try {
    return readSync(memory, buffer, 0, length, at);
  } catch {
    return 0;
  }
}

/** How often these bytes are in the memory of a process. */
function count(pid: number, bytes: Buffer): number {
  let found = 0;
  eachPiece(pid, bytes.length - 1, (piece) => {
    for (let at = piece.indexOf(bytes); at >= 0; at = piece.indexOf(bytes, at + 1)) {
      found += 1;
    }
  });
  return found;
}

/** The 64 bytes behind a name that make the HMAC of a ticket: the key, wherever it lies. */
function findKey(pid: number, ticket: Buffer): Buffer | null {
  let key: Buffer | null = null;
  const name = ticket.subarray(0, 16);
  eachPiece(pid, 16 + 64, (piece) => {
    for (let at = piece.indexOf(name); at >= 0; at = piece.indexOf(name, at + 1)) {
      const secret = piece.subarray(at + 16, at + 16 + 64);
      const mac = createHmac('sha256', secret.subarray(32)).update(ticket.subarray(0, -32));
      if (secret.length === 64 && mac.digest().equals(ticket.subarray(-32))) {
        key = Buffer.from(secret);
      }
    }
  });
  return key;
}

test.each(versions)('%s: a ticket key is gone after two rollovers', async (version) => {
  const server = await startServer();
  const { session, ticket } = await visit(server.port, version);
  for (let i = 0; i < 20; i++) {
    expect((await visit(server.port, version, session)).resumed).toBe(true);
  }
  const name = ticket.toString('hex', 0, 16);
  expect(server.names).toContain(name);
  const key = findKey(server.pid, ticket);
  expect(key).not.toBeNull();
  const quarters = [0, 16, 32, 48].map((at) => Buffer.from((key ?? ticket).subarray(at, at + 16)));
  expect(quarters.map((part) => count(server.pid, part))).toEqual([1, 1, 1, 1]);

  expect((await server.pass(period / 2)).names).toHaveLength(2);
  expect((await server.pass(period / 2)).names).toContain(name);
  expect((await visit(server.port, version, session)).resumed).toBe(true);
  expect((await server.pass(period / 2)).names).toContain(name);
  expect((await server.pass(period / 2)).names).not.toContain(name);
  expect(findKey(server.pid, ticket)).toBeNull();
  expect(quarters.map((part) => count(server.pid, part))).toEqual([0, 0, 0, 0]);
  expect((await visit(server.port, version, session)).resumed).toBe(false);
});
