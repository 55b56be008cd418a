/** The certificates of the recorded cases, made anew: same kinds of keys, issuers and names. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Certificate, type KeyAlgorithm, makeCertificate } from '../certificates.js';
import { openssl } from '../openssl.js';
import type { Truth, TruthCertificate } from './cases.js';

const algorithms: Readonly<Record<TruthCertificate['alg'], KeyAlgorithm>> = {
  ec: 'ecdsa',
  rsa: 'rsa',
  mldsa65: 'ml-dsa-65',
};

const isAuthority = ['-addext', 'basicConstraints=critical,CA:TRUE'];
const isNone = ['-addext', 'basicConstraints=critical,CA:FALSE'];
const yearLongGone = ['-not_before', '20200101000000Z', '-not_after', '20210101000000Z'];

export class TruthCertificates {
  readonly #truth: Truth;
  readonly #digests = new Map<string, string>();

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** By its name in the recording; `lab-root`, `lab-int`, `own-root` and `own-int` are the authorities. */
  of(name: string): Certificate {
    const authority = /^(lab|own)-(root|int)$/.exec(name);
    if (authority !== null) {
      return authority[2] === 'root' ? root(authority[1] ?? '') : intermediate(authority[1] ?? '');
    }
    const spec = this.#truth.certificates[name];
    if (spec === undefined) {
      throw new Error(`${name} is no certificate of the recording`);
    }
    return leaf(name, spec, spec.names ?? this.#namesOf(name, spec));
  }

  /** The data of a TLSA record: `certificate` under its selector, `!unrelated`, `spki:certificate` or `#hex`. */
  tlsaData(selector: number, matchingType: number, ref: string): string {
    if (ref.startsWith('#')) {
      return ref.slice(1);
    }
    const isKey = ref.startsWith('spki:') || selector === 1;
    const key = `${isKey} ${matchingType} ${ref}`;
    const known = this.#digests.get(key);
    if (known !== undefined) {
      return known;
    }
    const { certFile } = this.of(ref.replace(/^!|^spki:/, ''));
    const der = isKey ? publicKey(certFile) : certificateDer(certFile);
    const digest = { 1: 'sha256', 2: 'sha512' }[matchingType];
    const data =
      digest === undefined ? der.toString('hex') : createHash(digest).update(der).digest('hex');
    this.#digests.set(key, data);
    return data;
  }

  /** Those of the hosts whose server has it; of the destinations where it is named after them. */
  #namesOf(name: string, { nexthopNames = false }: TruthCertificate): readonly string[] {
    const { listeners, cases, support } = this.#truth;
    const hosts = [...cases, ...support].filter(({ listener }) => {
      const { certs = [], sni } = listeners[listener] ?? {};
      return certs.includes(name) || sni === name;
    });
    const names = hosts.map(({ host, domain }) => (nexthopNames ? domain : host));
    return [...new Set(names)].map((text) => text.replace(/\.$/, ''));
  }
}

function root(ca: string): Certificate {
  const subject = `/O=Interop Lab/CN=${ca} root CA`;
  return makeCertificate(`truth-${ca}-root`, 'ecdsa', subject, isAuthority);
}

function intermediate(ca: string): Certificate {
  const subject = `/O=Interop Lab/CN=${ca} intermediate CA`;
  const issuer = issuedBy(root(ca));
  return makeCertificate(`truth-${ca}-int`, 'ecdsa', subject, [...issuer, ...isAuthority]);
}

function leaf(
  name: string,
  { alg, ca, expired = false, send = [] }: TruthCertificate,
  names: readonly string[],
): Certificate {
  const san = `subjectAltName=${names.map((host) => `DNS:${host}`).join(',')}`;
  const hash = createHash('sha256').update(san).digest('hex').slice(0, 12);
  const issuers = send.map((issuer) => (issuer.endsWith('-root') ? root(ca) : intermediate(ca)));
  return makeCertificate(
    `truth-${name}-${hash}`,
    algorithms[alg],
    `/O=Interop Lab/CN=${name}`,
    [
      ...(ca === 'self' ? [] : issuedBy(intermediate(ca))),
      ...isNone,
      ...['-addext', san],
      ...(expired ? yearLongGone : []),
    ],
    issuers,
  );
}

function issuedBy({ certFile, keyFile }: Certificate): readonly string[] {
  return ['-CA', certFile, '-CAkey', keyFile];
}

function certificateDer(file: string): Buffer {
  return fromPem(readFileSync(file, 'utf8'));
}

/** SubjectPublicKeyInfo; node's own library need not know the algorithm. */
function publicKey(file: string): Buffer {
  return fromPem(openssl('x509', '-in', file, '-noout', '-pubkey'));
}

function fromPem(text: string): Buffer {
  return Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}
