/** `openssl s_client` as a client that names a server, and what it was given. */
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { opensslEnvironment, opensslProgram } from './openssl.js';

export interface Greeted {
  /** Fingerprint of the server's certificate, or null without a handshake. */
  readonly certificate: string | null;
  /** The server said that it has taken notice of the name. */
  readonly acknowledged: boolean;
  readonly resumed: boolean;
  /** What the program said on standard error. */
  readonly errors: string;
}

export interface SniClientProps {
  readonly host?: string;
  readonly port: number;
  /** Null: none is sent. */
  readonly name: string | null;
  readonly args?: readonly string[];
  /** TLS from the first byte. */
  readonly wrappermode?: boolean;
}

/** One session: STARTTLS, QUIT. */
export async function askFor(props: SniClientProps): Promise<Greeted> {
  const name = props.name === null ? ['-noservername'] : ['-servername', props.name];
  const child = spawn(
    opensslProgram(),
    [
      ...['s_client', '-connect', `${props.host ?? '127.0.0.1'}:${props.port}`, '-ign_eof'],
      ...(props.wrappermode ? [] : ['-starttls', 'smtp']),
      ...['-tlsextdebug', '-nocommands', ...name, ...(props.args ?? [])],
    ],
    { env: opensslEnvironment },
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', () => undefined).end('QUIT\r\n');
  await new Promise<void>((resolve) => child.on('close', () => resolve()));
  const pem = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/.exec(output)?.[0];
  return {
    certificate: pem === undefined ? null : new X509Certificate(pem).fingerprint256,
    acknowledged: output.includes('TLS server extension "server name"'),
    resumed: /^Reused, /m.test(output),
    errors,
  };
}

/** For comparison with {@link Greeted.certificate}. */
export function fingerprintOf(certFile: string): string {
  return new X509Certificate(readFileSync(certFile)).fingerprint256;
}
