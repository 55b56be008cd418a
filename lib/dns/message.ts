// DNS messages on the wire (RFC 1035, 6891): the query that we send, and whether what came back
// answers it. The format itself is dns-packet's.
//
// A name on its way out has random case ("0x20", draft-vixie-dnsext-dns0x20): with the 16 bits of the
// id and the source port that is what an attacker who cannot see the query has to guess.
import packet, { type DecodedPacket, type OptAnswer } from 'dns-packet';
import type { Random } from './random.js';

export type QuestionType = 'MX' | 'A' | 'AAAA' | 'CNAME' | 'TLSA' | 'TXT';

export interface Question {
  /** Canonical; `names.ts`. */
  readonly name: string;
  readonly type: QuestionType;
}

export interface Query {
  readonly id: number;
  /** The question's name in the case in which it is sent. */
  readonly sentName: string;
  readonly type: QuestionType;
  readonly bytes: Buffer;
}

export interface QueryFlags {
  /** Ask for the data even if it does not validate (CD; RFC 4035, section 3.2.2). */
  readonly checkingDisabled?: boolean;
  /** Without EDNS, for servers that do not know it. */
  readonly plain?: boolean;
}

/** What arrived: the answer, the answer but for the case of the name, something else, or unreadable. */
export type Reading =
  | { readonly kind: 'reply' | 'other-case'; readonly reply: DecodedPacket }
  | { readonly kind: 'mismatch' | 'malformed' };

/** What fits in one unfragmented packet everywhere (DNS flag day 2020). */
const UDP_SIZE = 1232;

export function makeQuery(question: Question, random: Random, flags: QueryFlags = {}): Query {
  const id = random(0x10000);
  const sentName = randomCase(question.name, random);
  const bytes = packet.encode({
    type: 'query',
    id,
    flags:
      packet.RECURSION_DESIRED |
      packet.AUTHENTIC_DATA |
      (flags.checkingDisabled ? packet.CHECKING_DISABLED : 0),
    questions: [{ name: sentName, type: question.type, class: 'IN' }],
    additionals: flags.plain ? [] : [edns()],
  });
  return { id, sentName, type: question.type, bytes };
}

export function readReply(data: Buffer, query: Query): Reading {
  if (data.length < 12 || data.readUInt16BE(0) !== query.id) {
    return { kind: 'mismatch' };
  }
  const reply = decode(data);
  if (reply === null) {
    return { kind: 'malformed' };
  }
  const [question, ...others] = reply.questions ?? [];
  if (!reply.flag_qr || question === undefined || others.length > 0) {
    return { kind: 'mismatch' };
  }
  const { name, type } = question;
  if (type !== query.type || name.toLowerCase() !== query.sentName.toLowerCase()) {
    return { kind: 'mismatch' };
  }
  return { kind: name === query.sentName ? 'reply' : 'other-case', reply };
}

/** The response code with EDNS's upper bits (RFC 6891, section 6.1.3). */
export function responseCode(reply: DecodedPacket): number {
  return ((optOf(reply)?.extendedRcode ?? 0) << 4) | ((reply.flags ?? 0) & 0x0f);
}

/** Extended DNS errors (RFC 8914). */
export function extendedErrors(reply: DecodedPacket): readonly number[] {
  const options = optOf(reply)?.options ?? [];
  return options.flatMap(({ code, data }) => {
    const number: number = code;
    return number === 15 && data !== undefined && data.length >= 2 ? [data.readUInt16BE(0)] : [];
  });
}

function optOf(reply: DecodedPacket): OptAnswer | undefined {
  return reply.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
}

function edns(): OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_SIZE,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: packet.DNSSEC_OK,
    flag_do: true,
    options: [],
  };
}

/**
 * A record whose length field lies puts dns-packet out of step, which shows at the end. A truncated
 * answer may break off anywhere, and only its header and question are of use.
 */
function decode(data: Buffer): DecodedPacket | null {
  try {
    const truncated = (data.readUInt16BE(2) & packet.TRUNCATED_RESPONSE) !== 0;
    const reply = packet.decode(truncated ? withoutRecords(data) : data);
    return truncated || packet.decode.bytes === data.length ? reply : null;
  } catch {
    return null;
  }
}

function withoutRecords(data: Buffer): Buffer {
  const copy = Buffer.from(data);
  return copy.fill(0, 6, 12);
}

function randomCase(name: string, random: Random): string {
  return name.replace(/[a-z]/g, (letter) => (random(2) === 0 ? letter : letter.toUpperCase()));
}
