/** Ways in which a server can misbehave where it should give one good reply. */
import type { Fault } from './misbehaving-server.js';

const refusing =
  (reply: string): Fault =>
  (peer) => {
    peer.say(`${reply}\r\n`);
    return 'refused';
  };

/** The first line of a good reply, without its end. */
function firstLine(good: string): string {
  return good.slice(0, good.indexOf('\r\n'));
}

const code = (good: string): string => good.slice(0, 3);

export const serverFaults = {
  '4xx': refusing('450 4.2.0 busy'),
  '5xx': refusing('550 5.7.1 no'),
  '4xx without an enhanced code': refusing('450 busy'),
  '5xx of several lines': refusing('550-5.7.1 first\r\n550 5.7.1 second'),
  '421 and goodbye': (peer) => {
    peer.say('421 4.3.2 going down\r\n');
    peer.end();
    return 'over';
  },
  'a code of the wrong kind': (peer, good) => {
    peer.say(code(good) === '354' ? '250 2.0.0 what\r\n' : '354 what\r\n');
    return 'over';
  },
  'no reply but words': (peer) => {
    peer.say('hello, client\r\n');
    return 'over';
  },
  'words ahead of the reply': (peer, good) => {
    peer.say(`hello, client\r\n${good}`);
    return 'accepted';
  },
  'two codes in one reply': (peer, good) => {
    peer.say(`${code(good)}-one\r\n550 5.7.1 two\r\n`);
    return 'over';
  },
  'one reply too many': (peer, good) => {
    peer.say(`${good}250 2.0.0 extra\r\n`);
    return 'accepted';
  },
  'a line that is too long': (peer, good) => {
    peer.say(`${firstLine(good)}${'x'.repeat(5000)}\r\n${good.slice(firstLine(good).length + 2)}`);
    return 'accepted';
  },
  'a reply without end': (peer, good) => {
    peer.say(`${code(good)}-more\r\n`.repeat(50_000));
    return 'over';
  },
  'a line without end': (peer, good) => {
    peer.say(`${code(good)} ${'x'.repeat(500_000)}`);
    return 'over';
  },
  'NUL bytes': (peer, good) => {
    peer.say(good.replace(' ', ' \0'));
    return 'accepted';
  },
  'nothing but NUL bytes': (peer) => {
    peer.say('\0\0\0\0\r\n');
    return 'over';
  },
  'a closed connection': (peer) => {
    peer.end();
    return 'over';
  },
  'a connection that is reset': (peer) => {
    peer.reset();
    return 'over';
  },
  'half a reply and a closed connection': (peer, good) => {
    peer.say(`${code(good)}-half\r\n${code(good)} a rep`);
    peer.end();
    return 'over';
  },
  silence: () => 'over',
  'half a reply and silence': (peer, good) => {
    peer.say(`${code(good)}-half\r\n`);
    return 'over';
  },
} satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof serverFaults;

export const faultNames = Object.keys(serverFaults) as readonly FaultName[];
