/** What was recorded of a real Postfix: the cases, and what came of each at each level (`test/fixtures/truth`). */
import { readFileSync } from 'node:fs';

export interface TruthZone {
  readonly signed: boolean;
  /** The parent vouches for its key. */
  readonly ds?: boolean;
  readonly nsec3?: boolean;
  readonly corruptAll?: boolean;
  readonly expired?: boolean;
}

export interface TruthCertificate {
  readonly alg: 'ec' | 'rsa' | 'mldsa65';
  readonly ca: 'lab' | 'own' | 'self';
  /** Issuers that the server sends. */
  readonly send?: readonly string[];
  /** Default: the hosts of the listeners that have it. */
  readonly names?: readonly string[];
  /** It is named after the next hops instead. */
  readonly nexthopNames?: boolean;
  readonly expired?: boolean;
}

export interface TruthListener {
  /** Last part of its address. */
  readonly id: number;
  readonly certs: readonly string[];
  /** Certificate for every server name that a client asks for. */
  readonly sni?: string;
  readonly v6?: boolean;
  readonly wrapper465?: boolean;
  readonly submission587?: boolean;
  /** Parameters of smtpd(8). */
  readonly opts: Readonly<Record<string, string>>;
}

export interface TruthCase {
  readonly name: string;
  readonly zone: string;
  readonly domain: string;
  readonly host: string;
  readonly listener: string;
  /** `usage selector matching-type certificate`, `!certificate`, `spki:certificate` or `#hex`. */
  readonly tlsa: readonly string[];
  readonly about?: string;
  /** Next hop; default: the domain. */
  readonly dest?: string;
  readonly mxTo?: readonly string[];
  readonly noMX?: boolean;
  readonly noA?: boolean;
  readonly apex?: boolean;
  readonly v6only?: boolean;
  /** Nothing listens there. */
  readonly deadHost?: boolean;
  /** Relative to the domain. */
  readonly extra?: readonly (readonly [name: string, type: string, data: string])[];
  /** Record sets with a wrong signature, relative to the domain. */
  readonly corrupt?: readonly (readonly [name: string, type: string])[];
}

export interface Truth {
  readonly zones: Readonly<Record<string, TruthZone>>;
  readonly certificates: Readonly<Record<string, TruthCertificate>>;
  readonly listeners: Readonly<Record<string, TruthListener>>;
  readonly cases: readonly TruthCase[];
  readonly support: readonly TruthCase[];
}

const folder = new URL('../../fixtures/truth/', import.meta.url);

export function readTruth(): Truth {
  return JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')) as Truth;
}

/** A line of a recording, by its columns. */
export type Row<Column extends string> = Readonly<Record<Column, string>>;

export type SmtpRow = Row<
  | ('case' | 'level' | 'status' | 'dsn' | 'security' | 'protocol')
  | ('rpk' | 'tls_field' | 'relay' | 'reason')
>;

export type FingerRow = Row<
  | ('case' | 'level' | 'outcome' | 'security' | 'protocol' | 'kex' | 'signature' | 'rpk')
  | ('host' | 'matched' | 'depth' | 'tlsa' | 'peername' | 'verify_error' | 'unusable' | 'messages')
>;

/** What smtp(8) did. */
export const smtpRows = (): readonly SmtpRow[] => table('smtp-3.11.tsv');

/** What smtp(8) did where REQUIRETLS was asked for, with `smtp_requiretls_policy = enforce`. */
export const requiretlsRows = (): readonly SmtpRow[] => table('smtp-3.11-requiretls.tsv');

/** What posttls-finger(1) saw. */
export const fingerRows = (): readonly FingerRow[] => table('posttls-finger-3.11.tsv');

function table<Column extends string>(file: string): readonly Row<Column>[] {
  const [head = '', ...lines] = readFileSync(new URL(file, folder), 'utf8').trimEnd().split('\n');
  const columns = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])) as Row<Column>;
  });
}
