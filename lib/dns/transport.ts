// One query to one server: UDP from a socket of its own, hence from a port of the kernel's choice,
// and TCP (RFC 7766) where UDP does not do. Whatever is not the answer is passed over; only the
// answer, an error of the socket, or the time limit ends the wait.
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { DecodedPacket } from 'dns-packet';
import { type Query, type Reading, readReply } from './message.js';
import type { DnsServer } from './servers.js';

/** `silent`: no answer; `malformed` when something came that could have been it. */
export type Exchange =
  | { readonly kind: 'reply'; readonly reply: DecodedPacket }
  | { readonly kind: 'silent' | 'malformed'; readonly text: string };

const late: Exchange = { kind: 'silent', text: 'no answer in time' };
const unreadable: Exchange = { kind: 'malformed', text: 'the answer cannot be read' };

/** @param timeout milliseconds, for UDP and TCP each */
export async function exchange(
  server: DnsServer,
  query: Query,
  timeout: number,
): Promise<Exchange> {
  const answer = await overUdp(server, query, timeout);
  // An attacker who guesses all but the case of the name only makes us use TCP, where he has to guess
  // more; and a server that answers in a case of its own stays reachable.
  if (answer.kind === 'other-case' || (answer.kind === 'reply' && answer.reply.flag_tc)) {
    return overTcp(server, query, timeout);
  }
  return answer;
}

function overUdp(
  server: DnsServer,
  query: Query,
  timeout: number,
): Promise<Exchange | { readonly kind: 'other-case' }> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    let malformed = false;
    const end = (answer: Exchange | { readonly kind: 'other-case' }): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end(malformed ? unreadable : late), timeout);
    socket.on('error', (error) => end({ kind: 'silent', text: systemReason(error) }));
    socket.on('message', (data) => {
      const reading = readReply(data, query);
      malformed ||= reading.kind === 'malformed';
      if (reading.kind === 'reply' || reading.kind === 'other-case') {
        end(reading);
      }
    });
    socket.on('connect', () => socket.send(query.bytes));
    // Connected: the kernel passes on only what this server sends, and its refusals.
    socket.connect(server.port, server.address);
  });
}

function overTcp(server: DnsServer, query: Query, timeout: number): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect(server.port, server.address);
    let received = Buffer.alloc(0);
    const end = (answer: Exchange): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(late), timeout);
    socket.on('error', (error) => end({ kind: 'silent', text: systemReason(error) }));
    socket.on('close', () => end({ kind: 'silent', text: 'the server closed the connection' }));
    socket.on('connect', () => socket.write(withLength(query.bytes)));
    socket.on('data', (data: Buffer) => {
      received = Buffer.concat([received, data]);
      const message = firstMessage(received);
      if (message !== null) {
        end(overTcpOnly(readReply(message, query)));
      }
    });
  });
}

/**
 * The connection says who answers: no need to wait for another answer, nor to look at the case of the name.
 * A truncated one has lost its records; it does not say that there are none.
 */
function overTcpOnly(reading: Reading): Exchange {
  return 'reply' in reading && !reading.reply.flag_tc
    ? { kind: 'reply', reply: reading.reply }
    : unreadable;
}

function withLength(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}

function firstMessage(received: Buffer): Buffer | null {
  const end = received.length < 2 ? Infinity : 2 + received.readUInt16BE(0);
  return received.length < end ? null : received.subarray(2, end);
}

function systemReason(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
