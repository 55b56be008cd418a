/**
 * What a server's EHLO reply offers (RFC 5321 section 4.1.1.1), read by the client.
 *
 * Keywords are case-insensitive, unknown ones are ignored; nothing of it outlives STARTTLS.
 */

export interface Features {
  /** The name that the server gives itself; enters the session cache key. */
  readonly name: string;
  readonly pipelining: boolean;
  readonly starttls: boolean;
  /** 0: offered without a limit; null: not offered. */
  readonly size: number | null;
  readonly eightBitMime: boolean;
  readonly smtputf8: boolean;
  readonly dsn: boolean;
  readonly chunking: boolean;
  readonly requiretls: boolean;
  readonly auth: readonly string[];
}

/** What a server that only knows HELO offers. */
export function noFeatures(name: string): Features {
  return {
    name,
    pipelining: false,
    starttls: false,
    size: null,
    eightBitMime: false,
    smtputf8: false,
    dsn: false,
    chunking: false,
    requiretls: false,
    auth: [],
  };
}

/**
 * @param lines the reply's lines without codes
 * @param discard keywords that are not heeded, any case
 */
export function parseFeatures(lines: readonly string[], discard: readonly string[] = []): Features {
  const features: { -readonly [K in keyof Features]: Features[K] } = noFeatures(
    lines[0]?.split(' ')[0] ?? '',
  );
  const ignored = discard.map((word) => word.toUpperCase());
  for (let i = 1; i < lines.length; i++) {
    const text = (lines[i] ?? '').trim();
    const end = text.search(blanks);
    const keyword = (end < 0 ? text : text.slice(0, end)).toUpperCase();
    const parameters = end < 0 ? '' : text.slice(end).trimStart();
    switch (ignored.includes(keyword) ? '' : keyword) {
      case 'PIPELINING':
        features.pipelining = true;
        break;
      case 'STARTTLS':
        features.starttls = true;
        break;
      case 'SIZE':
        features.size = sizeOf(parameters);
        break;
      case '8BITMIME':
        features.eightBitMime = true;
        break;
      case 'SMTPUTF8':
        features.smtputf8 = true;
        break;
      case 'DSN':
        features.dsn = true;
        break;
      case 'CHUNKING':
        features.chunking = true;
        break;
      case 'REQUIRETLS':
        features.requiretls = true;
        break;
      case 'AUTH':
        features.auth = parameters === '' ? [] : parameters.toUpperCase().split(blanks);
        break;
      default:
        break;
    }
  }
  return features;
}

const blanks = /\s+/;

/** The first word, where it is a number that can be. */
function sizeOf(parameters: string): number {
  return Number(/^\d{1,15}(?!\S)/.exec(parameters)?.[0] ?? 0);
}
