/** What comes of faults, in the words of the smtp engine; `H` is the server. */
import type { FaultName } from './server-faults.js';

export const sent = (n: number): string => `sent 2.0.0 250 2.0.0 Ok: queued as Q${n}`;

export const lost = (where: string): string =>
  `deferred 4.4.2 lost connection with H while ${where}`;

export const timedOut = (where: string): string =>
  `deferred 4.4.2 conversation with H timed out while ${where}`;

export const protocol = (text: string): string => `deferred 4.5.0 Protocol error: host H ${text}`;

export const early = protocol('sent a reply ahead of the command');
export const unasked = protocol('sent a reply to nothing: 250 2.0.0 extra');
const endless = protocol('sent a reply without end');

export interface Words {
  /** What the client is doing. */
  readonly where: string;
  /** What the server refuses; MAIL FROM and so on. */
  readonly command: string;
}

/** What a fault comes to for those whom it concerns, before anything is tried again. */
export function faultTable(words: Words, message: number): Record<FaultName, string> {
  const said = (reply: string): string =>
    `host H said: ${reply} (in reply to ${words.command} command)`;
  return { ...refusalTable(said, true), ...brokenTable(words.where, sent(message)) };
}

/**
 * What a refusal comes to.
 *
 * @param said the sentence that tells of a reply
 * @param hard a 5xx is final
 * @param code of a good reply
 */
export function refusalTable(
  said: (reply: string) => string,
  hard: boolean,
  code = 250,
): Record<Exclude<FaultName, keyof ReturnType<typeof brokenTable>>, string> {
  const no = hard ? 'bounced 5.7.1' : 'deferred 4.7.1';
  return {
    '4xx': `deferred 4.2.0 ${said('450 4.2.0 busy')}`,
    '5xx': `${no} ${said('550 5.7.1 no')}`,
    '4xx without an enhanced code': `deferred 4.0.0 ${said('450 busy')}`,
    '5xx of several lines': `${no} ${said('550-5.7.1 first 550 5.7.1 second')}`,
    '421 and goodbye': `deferred 4.3.2 ${said('421 4.3.2 going down')}`,
    'a code of the wrong kind': `deferred 4.5.0 Protocol error: ${said('354 what')}`,
    'two codes in one reply': `${no} ${said(`${code}-one 550 5.7.1 two`)}`,
  };
}

/** What is no refusal: replies that are strange, late or missing. */
export function brokenTable(where: string, good: string) {
  return {
    'no reply but words': timedOut(where),
    'words ahead of the reply': good,
    'one reply too many': early,
    'a line that is too long': good,
    'a reply without end': endless,
    'a line without end': endless,
    'NUL bytes': good,
    'nothing but NUL bytes': timedOut(where),
    'a closed connection': lost(where),
    'a connection that is reset': lost(where),
    'half a reply and a closed connection': lost(where),
    silence: timedOut(where),
    'half a reply and silence': timedOut(where),
  };
}

/** Strange replies at the end of a message are shown as they are, up to 2048 characters. */
export function shownTable(message: number) {
  const line = sent(message);
  const shown = line.replace('sent 2.0.0 ', '');
  return {
    'one reply too many': line,
    'a line that is too long': line + 'x'.repeat(2048 - shown.length),
    'NUL bytes': line.replace('250 ', '250 ?'),
  };
}
