/** Our smtpd and Postfix's, set for the transcripts: both take mail for example.com and know one user. */
import { optionsFromParameters, readAssignments } from '../../lib/config/from-parameters.js';
import { Smtpd } from '../../lib/server.js';
import type { Reply } from '../../lib/smtp/reply.js';
import { certificate } from './certificates.js';
import { Lines } from './lines.js';
import { Postfix } from './postfix.js';
import { anonymous, type TranscriptFile } from './transcripts.js';

const isPassword = (username: string, password: string): boolean =>
  username === 'user' && password === 'secret';

/** What both are told before a file's own parameters. */
const common = {
  myhostname: 'mx.example.com',
  smtpd_banner: '$myhostname ESMTP mxtls',
  smtpd_error_sleep_time: '0',
  smtpd_forbid_bare_newline_exclusions: '',
} as const;

/** What Postfix is told, besides. */
const theirs = {
  virtual_mailbox_domains: 'example.com',
  virtual_mailbox_maps: 'static:box/',
  transport_maps: '',
  smtpd_tls_security_level: 'none',
  smtpd_tls_loglevel: '0',
  smtpd_discard_ehlo_keywords: 'etrn, silent-discard', // which we do not have
} as const;

/**
 * Log lines of a session, from `connect from` on: without what is before the text, without that line and
 * Postfix's `client=`, queue ids made equal.
 */
export function sessionLines(lines: readonly string[]): string[] {
  const texts = lines
    .flatMap((line) => /^(?:postfix\/smtpd\[\d+\]: |(?!postfix\/))(.*)$/.exec(line)?.[1] ?? [])
    .map(anonymous);
  const start = texts.findIndex((line) => line.startsWith('connect from'));
  return texts.slice(start + 1).filter((line) => !line.startsWith('ID: client='));
}

export interface OurSmtpd {
  readonly smtpd: Smtpd;
  readonly port: number;
  readonly lines: Lines;
}

/** An smtpd of ours with these parameters. */
export async function ourSmtpd(parameters: TranscriptFile['parameters']): Promise<OurSmtpd> {
  const lines = new Lines();
  const assignments = Object.entries({ ...common, ...parameters });
  const { smtpd: options } = optionsFromParameters(
    readAssignments(assignments.map(([name, value]) => `${name}=${value}`)),
    'smtpd',
  );
  const smtpd = new Smtpd({
    ...options,
    tls: { ...options.tls, chainFiles: [certificate('ecdsa').chainFile] },
    logger: lines,
    onAuth: (_session, { username, password }) => isPassword(username, password),
    onRcpt: (_session, { address }) => relayAccess(address),
    onData: () => undefined,
  });
  const { port } = await smtpd.listen({ host: '127.0.0.1', port: 0 });
  if (parameters['smtpd_tls_chain_files'] === '') {
    smtpd.withdrawCertificates(); // without any it would not have begun to listen
  }
  return { smtpd, port, lines };
}

/** A Postfix with an smtpd for each file, by its name. */
export function theirSmtpds(
  files: readonly Pick<TranscriptFile, 'name' | 'parameters'>[],
): Promise<Postfix> {
  return Postfix.start({
    keys: ['ecdsa'],
    mailboxes: [],
    transport: {},
    main: { ...common, ...theirs },
    smtpds: Object.fromEntries(files.map(({ name, parameters }) => [name, parameters])),
    isPassword,
  });
}

function relayAccess(address: string): Reply | undefined {
  return address.endsWith('@example.com')
    ? undefined
    : { code: 554, enhanced: '5.7.1', text: `<${address}>: Relay access denied` };
}
