/** The life of an engine's own certificates: loading, reloading, changed files, expiry; with a clock that is held. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { resolveSmtpd } from '../../lib/config/check.js';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import { TlsError } from '../../lib/errors.js';
import { expiryLine } from '../../lib/log/certificates.js';
import type { OwnCertificate } from '../../lib/native.js';
import { ChainKeeper, day } from '../../lib/tls/chain-keeper.js';
import { type CertificateOptions, certificateOptions } from '../../lib/tls/chains.js';
import { initLibrary } from '../../lib/tls/library.js';
import { certificate, freshCertificate } from '../helpers/certificates.js';
import { HeldClock } from '../helpers/held-clock.js';

beforeAll(() => initLibrary());

const interval = 1000;

class Bench {
  readonly clock = new HeldClock();
  /** What is told, in order. */
  readonly told: string[] = [];
  readonly keeper: ChainKeeper;
  /** Subjects in service. */
  inService: string | null = null;
  prepareFails: Error | null = null;

  constructor(tls: SmtpdTlsOptions, care: CertificateOptions = {}) {
    this.keeper = new ChainKeeper({
      engine: 'smtpd',
      files: resolveSmtpd({ tls }).tls,
      care: certificateOptions({ chainFilesCheckInterval: interval, ...care }),
      clock: this.clock,
      report: {
        warn: (text) => this.told.push(text),
        reloaded: (certificates) => this.told.push(`reloaded ${names(certificates)}`),
        refused: (error) => this.told.push(`refused ${error.code}`),
        expiring: (one, now) => this.told.push(expiryLine(one, now)),
      },
      prepare: (chains) => {
        if (this.prepareFails !== null) {
          throw this.prepareFails;
        }
        return () => {
          this.inService = names(chains?.certificates ?? []);
        };
      },
    });
  }

  /** What was told since the last time. */
  news(): string[] {
    return this.told.splice(0);
  }

  /** Loads for the first time, and lets the clock run. */
  begin(): this {
    this.inService = names(this.keeper.chains()?.certificates ?? []);
    this.keeper.start();
    return this;
  }
}

function names(certificates: readonly OwnCertificate[]): string {
  return certificates.map(({ subject }) => subject).join(' ');
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-keeper-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** Puts a file in the place of another, as careful programs do. */
function replace(file: string, source: string): void {
  copyFileSync(source, `${file}.new`);
  renameSync(`${file}.new`, file);
}

test('chains are loaded once, however often they are wanted', () => {
  const { keeper } = new Bench({ chainFiles: [certificate('ecdsa').chainFile] });
  expect(keeper.certificates).toEqual([]);
  expect(keeper.chains()).toBe(keeper.chains());
  expect(names(keeper.certificates)).toBe('mx.example.com');
});

test('without files there is nothing to keep', () => {
  const bench = new Bench({}).begin();
  expect(bench.keeper.chains()).toBeNull();
  expect(bench.keeper.reload()).toEqual([]);
  expect(bench.clock.timers).toBe(0);
  expect(bench.news()).toEqual([]);
});

test('legacy files beside chain files are a warning, once', () => {
  const { chainFile, certFile, keyFile } = certificate('ecdsa');
  const bench = new Bench({ chainFiles: [chainFile], certFile, keyFile }).begin();
  expect(bench.news()).toEqual([
    'Both smtpd_tls_chain_files and one or more of the legacy  smtpd_tls_cert_file, smtpd_tls_eccert_file or smtpd_tls_dcert_file are non-empty; the legacy  parameters will be ignored',
  ]);
  bench.keeper.reload();
  expect(bench.news()).toEqual(['reloaded mx.example.com']);
});

test('a reload puts what is in the files now in service', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  replace(file, freshCertificate('new.example.com').chainFile);
  expect(names(bench.keeper.reload())).toBe('new.example.com');
  expect(bench.inService).toBe('new.example.com');
  expect(names(bench.keeper.certificates)).toBe('new.example.com');
  expect(bench.news()).toEqual(['reloaded new.example.com']);
});

test('a file that cannot be used leaves the former chains in service', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  writeFileSync(file, 'nothing\n');
  expect(() => bench.keeper.reload()).toThrow(
    expect.objectContaining({ class: 'config', code: 'CHAIN_NO_PEM_DATA' }),
  );
  expect(bench.inService).toBe('old.example.com');
  expect(names(bench.keeper.certificates)).toBe('old.example.com');
  expect(bench.news()).toEqual([
    `No PEM data in ${file}`,
    `error loading private keys and certificates from: ${file}: keeping the former certificates`,
    'refused CHAIN_NO_PEM_DATA',
  ]);
});

test('what cannot be made of good chains leaves the former ones, too', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  replace(file, freshCertificate('new.example.com').chainFile);
  bench.prepareFails = new TlsError({ code: 'CA_LOAD' });
  expect(() => bench.keeper.reload()).toThrow(expect.objectContaining({ code: 'CA_LOAD' }));
  expect(names(bench.keeper.certificates)).toBe('old.example.com');
  expect(bench.news()).toEqual(['refused CA_LOAD']);
});

test('a changed file is loaded when it has been still for one interval', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  bench.clock.advance(5 * interval);
  expect(bench.news()).toEqual([]);
  replace(file, freshCertificate('new.example.com').chainFile);
  bench.clock.advance(interval);
  expect(bench.inService).toBe('old.example.com');
  bench.clock.advance(interval);
  expect(bench.inService).toBe('new.example.com');
  bench.clock.advance(5 * interval);
  expect(bench.news()).toEqual(['reloaded new.example.com']);
});

test('key and certificate in two files, replaced one after the other, are loaded together', () => {
  const place = folder();
  const [key, cert] = [join(place, 'key.pem'), join(place, 'cert.pem')];
  const [old, fresh] = [freshCertificate('old.example.com'), freshCertificate('new.example.com')];
  replace(key, old.keyFile);
  replace(cert, old.certFile);
  const bench = new Bench({ certFile: cert, keyFile: key }).begin();
  replace(key, fresh.keyFile);
  bench.clock.advance(interval);
  replace(cert, fresh.certFile);
  bench.clock.advance(2 * interval);
  expect(bench.news()).toEqual(['reloaded new.example.com']);
});

test('a change that is no good is told of once, and the next one is taken', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  rmSync(file);
  bench.clock.advance(10 * interval);
  expect(bench.news()).toEqual([
    `error opening chain file: ${file}: No such file or directory`,
    `error loading private keys and certificates from: ${file}: keeping the former certificates`,
    'refused CHAIN_FILE',
  ]);
  replace(file, freshCertificate('new.example.com').chainFile);
  bench.clock.advance(2 * interval);
  expect(bench.news()).toEqual(['reloaded new.example.com']);
});

test('a link that is turned to another directory is a change, as certbot does it', () => {
  const place = folder();
  for (const name of ['1', '2']) {
    mkdirSync(join(place, name));
    replace(join(place, name, 'chain.pem'), freshCertificate(`${name}.example.com`).chainFile);
  }
  symlinkSync('1', join(place, 'live'));
  const bench = new Bench({ chainFiles: [join(place, 'live', 'chain.pem')] }).begin();
  symlinkSync('2', join(place, 'live.new'));
  renameSync(join(place, 'live.new'), join(place, 'live'));
  bench.clock.advance(2 * interval);
  expect(bench.news()).toEqual(['reloaded 2.example.com']);
});

test('a file that is written over is a change, though it keeps its inode and length', () => {
  const file = join(folder(), 'chain.pem');
  copyFileSync(freshCertificate('aaa.example.com').chainFile, file);
  const bench = new Bench({ chainFiles: [file] }).begin();
  copyFileSync(freshCertificate('bbb.example.com').chainFile, file);
  bench.clock.advance(2 * interval);
  expect(bench.news()).toEqual(['reloaded bbb.example.com']);
});

test('an interval of 0 looks at no file', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }, { chainFilesCheckInterval: 0 }).begin();
  replace(file, freshCertificate('new.example.com').chainFile);
  bench.clock.advance(day / 2);
  bench.keeper.look();
  expect(bench.inService).toBe('old.example.com');
});

test('after a stop the clock does nothing, and the next start reads the files anew', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] }).begin();
  bench.keeper.stop();
  expect(bench.clock.timers).toBe(0);
  replace(file, freshCertificate('new.example.com').chainFile);
  bench.clock.advance(2 * day);
  expect(bench.news()).toEqual([]);
  expect(bench.begin().inService).toBe('new.example.com');
  bench.keeper.start();
  expect(bench.clock.timers).toBe(2);
});

test('an engine without timers looks when it works, and not more often than it is to', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, freshCertificate('old.example.com').chainFile);
  const bench = new Bench({ chainFiles: [file] });
  bench.keeper.look(); // nothing is loaded yet
  bench.keeper.chains();
  bench.keeper.look();
  replace(file, freshCertificate('new.example.com').chainFile);
  for (let i = 0; i < 3; i++) {
    bench.keeper.look();
  }
  expect(bench.news()).toEqual([]);
  for (let i = 0; i < 2; i++) {
    bench.clock.advance(interval);
    bench.keeper.look();
  }
  expect(bench.news()).toEqual(['reloaded new.example.com']);
});

/** A certificate that ends so many days after the clock's beginning. */
function endingIn(days: number): string {
  const now = new HeldClock().now();
  return freshCertificate('mx.example.com', { notAfter: new Date(now + days * day) }).chainFile;
}

test('a certificate that ends soon is told of at the start, and then once a day', () => {
  const file = endingIn(13.5);
  const bench = new Bench({ chainFiles: [file] }).begin();
  const where = `certificate EC mx.example.com in ${file} (PEM object number 2)`;
  const ends = 'on 2026-12-08 00:00:00 UTC';
  expect(bench.news()).toEqual([`${where} expires in 13 days, ${ends}`]);
  bench.clock.advance(day - 1);
  expect(bench.news()).toEqual([]);
  bench.clock.advance(1);
  expect(bench.news()).toEqual([`${where} expires in 12 days, ${ends}`]);
  bench.clock.advance(11 * day);
  expect(bench.news().at(-1)).toBe(`${where} expires in 1 day, ${ends}`);
  bench.clock.advance(day);
  expect(bench.news()).toEqual([`${where} expires in less than a day, ${ends}`]);
  bench.clock.advance(2 * day);
  expect(bench.news()).toEqual([
    `${where} expired less than a day ago, ${ends}`,
    `${where} expired 1 day ago, ${ends}`,
  ]);
});

test('days are counted from the option; 0 says nothing', () => {
  const chainFiles = [endingIn(20.5)];
  expect(new Bench({ chainFiles }).begin().news()).toEqual([]);
  expect(new Bench({ chainFiles }, { expiryWarningDays: 21 }).begin().news()).toHaveLength(1);
  expect(new Bench({ chainFiles }, { expiryWarningDays: 20 }).begin().news()).toEqual([]);
  const off = new Bench({ chainFiles: [endingIn(-1)] }, { expiryWarningDays: 0 }).begin();
  off.clock.advance(3 * day);
  expect(off.news()).toEqual([]);
});

test('a reload looks at the new certificates, and the old ones are no longer told of', () => {
  const file = join(folder(), 'chain.pem');
  replace(file, endingIn(5.5));
  const bench = new Bench({ chainFiles: [file] }).begin();
  expect(bench.news()).toHaveLength(1);
  replace(file, endingIn(90));
  bench.keeper.reload();
  bench.clock.advance(3 * day);
  expect(bench.news()).toEqual(['reloaded mx.example.com']);
  replace(file, endingIn(-3));
  bench.keeper.reload();
  expect(bench.news()).toEqual([
    'reloaded mx.example.com',
    expect.stringMatching(/ expired 6 days ago, on 2026-11-21 12:00:00 UTC$/),
  ]);
});

test('all that end soon are told of, the first to end first, issuers among them', () => {
  const issuer: OwnCertificate = {
    ...{ subject: 'R99', keyType: 'EC', depth: 1, notBefore: 0, file: '/mx.pem', index: 2 },
    notAfter: Date.parse('2026-11-30T12:00:00Z'),
  };
  expect(expiryLine(issuer, new HeldClock().now())).toBe(
    'issuer certificate R99 of the chain in /mx.pem (PEM object number 2) expires in 6 days, on 2026-11-30 12:00:00 UTC',
  );
  const rsa = freshCertificate(
    'mx.example.com',
    { notAfter: new Date(new HeldClock().now() + 2.5 * day) },
    'rsa',
  );
  const bench = new Bench({ chainFiles: [endingIn(7.5), rsa.chainFile] }).begin();
  expect(
    bench.news().map((line) => / (\w+) mx\.example\.com .* in (\d)/.exec(line)?.slice(1)),
  ).toEqual([
    ['RSA', '2'],
    ['EC', '7'],
  ]);
});

test.each([
  { expiryWarningDays: -1 },
  { expiryWarningDays: Number.NaN },
  { chainFilesCheckInterval: '30s' as unknown as number },
  { chainFilesCheckInterval: 2 ** 31 },
])('%o is refused', (care) => {
  expect(() => certificateOptions(care)).toThrow(
    expect.objectContaining({ class: 'usage', code: 'INVALID_ARGUMENT' }),
  );
});
