/**
 * SMTP smuggling, sending: what leaves is one message even for a server that takes any of the
 * published sequences for the end of one.
 */
import { describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { Lines } from '../helpers/lines.js';
import {
  acceptMail,
  hello,
  type ScriptedPeer,
  scriptedServer,
} from '../helpers/scripted-server.js';
import { carrier, smuggled, vectors } from '../helpers/smuggling.js';

/** The most lenient of servers: a dot between line ends of any kind; NULs do not count. */
const lenientEnd = /[\r\n]\.[\r\n]/g;

/** What a server hears of a message: content and its end. */
async function delivered(message: Buffer, bdat: boolean): Promise<string> {
  const data = { text: '' };
  const server = await scriptedServer(async (peer) => {
    await hello(peer, ...(bdat ? ['CHUNKING'] : []));
    data.text = bdat ? await acceptChunk(peer) : await acceptMail(peer);
    await peer.answer('221 2.0.0 Bye\r\n');
    peer.end();
  });
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: new Lines(),
    tls: { securityLevel: 'none' },
  });
  const { recipients } = await smtp.deliver({
    sender: 'mallory@example.org',
    recipients: ['b@example.com'],
    message,
    nexthop: server.nexthop,
    bdat,
  });
  expect(recipients).toMatchObject([{ status: 'sent' }]);
  await server.done;
  return data.text;
}

/** MAIL, RCPT and one BDAT. */
async function acceptChunk(peer: ScriptedPeer): Promise<string> {
  await peer.answer('250 2.1.0 Ok\r\n');
  await peer.answer('250 2.1.5 Ok\r\n');
  const size = Number(/^BDAT (\d+) LAST$/.exec((await peer.hear()) ?? '')?.[1]);
  const start = peer.heard.indexOf(' LAST\r\n') + ' LAST\r\n'.length;
  while (peer.heard.length < start + size) {
    await peer.hear();
  }
  peer.say('250 2.0.0 Ok: queued as PEER\r\n');
  return peer.heard.slice(start, start + size);
}

describe.each(vectors)('%s', (_, sequence) => {
  const content = carrier(sequence);

  test('by DATA nothing but the true end can be taken for one', async () => {
    const wire = await delivered(Buffer.from(content, 'latin1'), false);
    const ends = [...wire.replaceAll('\0', '').matchAll(lenientEnd)].map(({ index }) => index);
    expect(wire.endsWith('\r\n.\r\n')).toBe(true);
    expect(ends).toEqual([wire.length - '\n.\r\n'.length]);
    expect(wire).not.toMatch(/\r(?!\n)|(?:^|[^\r])\n|\0/);
    expect(wire).toContain(smuggled);
  });

  test('by BDAT line ends are CRLF, for a server that goes on with DATA', async () => {
    const wire = await delivered(Buffer.from(content, 'latin1'), true);
    expect(wire).not.toMatch(/\r(?!\n)|(?:^|[^\r])\n/);
    expect(wire).toContain(smuggled);
  });
});
