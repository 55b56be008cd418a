// What DNS says, in the form that the engines and the policy read: records and how far to believe
// them. No I/O here; lib/dns/resolver.ts fills it in, a test may fill it in by hand.

/** What a look-up came to. */
export type DnsResult<Data> = DnsFound<Data> | DnsNone | DnsFailure;

export interface DnsFound<Data> {
  readonly kind: 'found';
  readonly records: readonly Data[];
  /** The resolver vouches for all of it, aliases included (AD bit of a trusted resolver). */
  readonly secure: boolean;
  /** The owner name after aliases (CNAME), lower case, without the final dot; equals the question's when there was none. */
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface DnsNone {
  readonly kind: 'none';
  readonly reason: 'nxdomain' | 'nodata';
  readonly secure: boolean;
  readonly name: string;
  readonly ttl: number;
}

export interface DnsFailure {
  readonly kind: 'failure';
  /** `bogus`: SERVFAIL of a validating resolver (or its EDE says so); `unreachable`: no server answered in time. */
  readonly reason: 'bogus' | 'servfail' | 'refused' | 'unreachable' | 'malformed';
  /** One sentence for the log. */
  readonly text: string;
}

export interface MxRecord {
  readonly preference: number;
  readonly exchange: string;
}

export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Buffer;
}

/** What the engines want of a resolver. Names come and go in A-label form, lower case, no final dot. */
export interface DnsLookup {
  mx(name: string): Promise<DnsResult<MxRecord>>;
  a(name: string): Promise<DnsResult<string>>;
  aaaa(name: string): Promise<DnsResult<string>>;
  cname(name: string): Promise<DnsResult<string>>;
  tlsa(name: string): Promise<DnsResult<TlsaRecord>>;
  txt(name: string): Promise<DnsResult<string>>; // character strings of one record joined
}
