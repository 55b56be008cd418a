/** A chain file that a test puts others in the place of, and what clients see of it. */
import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { RawClient } from './raw-client.js';
import { secure, type TlsClient } from './tls-client.js';

/** A copy of `first` in a folder of its own, gone when the test is over. */
export function chainFile(first: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-reload-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'chain.pem');
  replace(file, first);
  return file;
}

/** Puts a file in the place of another, as careful programs do. */
export function replace(file: string, source: string): void {
  copyFileSync(source, `${file}.new`);
  renameSync(`${file}.new`, file);
}

/** The common name in the server's certificate. */
export function presented(client: TlsClient): string {
  return String(client.secured.getPeerCertificate().subject.CN);
}

export async function withStarttls(port: number): Promise<TlsClient> {
  const plain = await RawClient.greeted(port);
  await plain.command('STARTTLS');
  return secure(plain);
}
