/** The certificates that tests share: servers of one test file load them while another file asks for them. */
import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deepCertificate, serverCertificate } from '../helpers/certificates.js';

test.each([
  ['server', 2, () => serverCertificate('written-once', ['written-once.test'])],
  ['client', 3, () => deepCertificate(2)],
] as const)(
  'a %s’s chain has all of its certificates, and is not written again',
  (_, count, get) => {
    const { chainFile } = get();
    const { mtimeNs } = statSync(chainFile, { bigint: true });
    expect(readFileSync(chainFile, 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(count);
    get();
    expect(statSync(chainFile, { bigint: true }).mtimeNs).toBe(mtimeNs);
  },
);
