/** Rows of the tables about DANE destinations and status words, one test each: what the delivery record says. */
import { describe } from 'vitest';
import { serverCertificate } from '../helpers/certificates.js';
import {
  ee,
  notOffered,
  notVerified,
  plain,
  rejected,
  skipped,
  type Tls,
  testRows,
  tlsa,
  unloadable,
  unsignedMx,
} from '../helpers/client-rows.js';
import { CAfile, type DeliveryWorld } from '../helpers/delivery-world.js';

const anonymous: DeliveryWorld = { smtpd: { tls: { securityLevel: 'may', certFile: 'none' } } };

describe('4. DANE: the destination', () => {
  const dane = (insecure?: 'may' | 'encrypt' | 'dane'): Tls => ({
    securityLevel: 'dane',
    ...(insecure === undefined ? {} : { daneInsecureMxPolicy: insecure }),
  });
  const only: Tls = { securityLevel: 'dane-only' };
  const lookupError = 'TLSA lookup error for mx.example.com:PORT';

  testRows([
    [
      'dane: unsigned MX, insecure_mx_policy = may',
      dane('may'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
    ['dane-only: unsigned MX', only, tlsa(ee, unsignedMx), skipped('non DNSSEC destination')],
    ['dane: TLSA lookup failed', dane(), tlsa('failure'), skipped(lookupError)],
    ['dane-only: TLSA lookup failed', only, tlsa('failure'), skipped(lookupError)],
    ['dane: no signed TLSA', dane(), {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    ['dane-only: no signed TLSA', only, {}, skipped('no TLSA records found')],
    [
      'dane: signed RRset, all records rejected',
      dane(),
      tlsa(rejected),
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'dane-only: signed RRset, all records rejected',
      only,
      tlsa(rejected),
      skipped('TLSA records unusable'),
    ],
    [
      'dane: usable, MX unsigned, insecure_mx_policy = encrypt',
      dane('encrypt'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Untrusted tls=encrypt Ok',
    ],
    [
      'dane: usable, MX unsigned, insecure_mx_policy = dane',
      dane('dane'),
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    ['dane: usable, MX signed', dane(), tlsa(ee), 'sent 2.0.0 Verified tls=dane Ok'],
    ['dane-only: usable, MX signed', only, tlsa(ee), 'sent 2.0.0 Verified tls=dane-only Ok'],
    [
      'dane: usable, no MX look-up',
      dane(),
      { ...tlsa(ee), request: { nexthop: '[mx.example.com]' } },
      'sent 2.0.0 Verified tls=dane Ok',
    ],
    [
      'dane-only: usable, no MX look-up',
      only,
      { ...tlsa(ee), request: { nexthop: '[mx.example.com]' } },
      'sent 2.0.0 Verified tls=dane-only Ok',
    ],
    [
      'dane: all of them unusable when loaded',
      dane(),
      tlsa(unloadable),
      'sent 2.0.0 Untrusted tls=dane:encrypt Ok',
    ],
    [
      'dane-only: all of them unusable when loaded',
      only,
      tlsa(unloadable),
      `deferred 4.7.5 Untrusted tls=!dane-only ${notVerified}`,
    ],
    [
      'halfdane: all of them unusable when loaded',
      dane(),
      tlsa(unloadable, unsignedMx),
      'sent 2.0.0 Untrusted tls=halfdane:encrypt Ok',
    ],
    [
      'dane: encrypt after unusable records is no may',
      dane(),
      { ...tlsa(unloadable), ...plain },
      `deferred 4.7.4 - tls=!dane ${notOffered}`,
    ],
  ]);
});

describe('9. status', () => {
  testRows([
    [
      'no certificate, no raw public key: Anonymous',
      { securityLevel: 'may' },
      anonymous,
      'sent 2.0.0 Anonymous tls=may Ok',
    ],
    [
      'OK, the level must match: Verified',
      { securityLevel: 'verify', CAfile },
      {},
      'sent 2.0.0 Verified tls=verify Ok',
    ],
    [
      'OK, halfdane: Trusted',
      { securityLevel: 'dane' },
      tlsa(ee, unsignedMx),
      'sent 2.0.0 Trusted tls=halfdane Ok',
    ],
    ['OK, may: Trusted', { securityLevel: 'may', CAfile }, {}, 'sent 2.0.0 Trusted tls=may Ok'],
    [
      'OK, encrypt: Trusted',
      { securityLevel: 'encrypt', CAfile },
      {},
      'sent 2.0.0 Trusted tls=encrypt Ok',
    ],
    [
      'hostname mismatch, the level must match: Trusted',
      { securityLevel: 'verify', CAfile, verifyCertMatch: ['other.example'] },
      {},
      `deferred 4.7.5 Trusted tls=!verify ${notVerified}`,
    ],
    [
      'hostname mismatch at may: names are not checked',
      { securityLevel: 'may', CAfile },
      { chain: serverCertificate('rows-other', ['mx.example.net']) },
      'sent 2.0.0 Trusted tls=may Ok',
    ],
    ['other: Untrusted', { securityLevel: 'may' }, {}, 'sent 2.0.0 Untrusted tls=may Ok'],
    [
      'a raw public key at may: Untrusted',
      { securityLevel: 'may', CAfile, enableRpk: true },
      {},
      'sent 2.0.0 Untrusted tls=may Ok',
    ],
  ]);
});
