// Makes the PEM files of test/golden/pem anew, with new keys: `node scripts/golden-pem.mjs`.
//
// The files are what operators have on disk, right, odd and wrong; their names tell what must come of them. The texts beside them
// (.txt) are written by hand. The keys are for this purpose only, their certificates last a hundred years and are nobody's.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOpenssl } from './openssl.mjs';

const FOLDER = fileURLToPath(new URL('../test/golden/pem/', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'golden-pem-'));
const program = findOpenssl().bin ?? 'openssl';

const ALGORITHMS = {
  rsa: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ec: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'ec-other': ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['ED25519'],
  ed448: ['ED448'],
  'ml-dsa-44': ['ML-DSA-44'],
  'ml-dsa-65': ['ML-DSA-65'],
  'ml-dsa-87': ['ML-DSA-87'],
  x25519: ['X25519'],
  root: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ca: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
};

function openssl(...args) {
  const env = { ...process.env, OPENSSL_CONF: '/dev/null' };
  const stdio = ['ignore', 'pipe', 'pipe'];
  return execFileSync(program, args, { cwd: work, env, encoding: 'utf8', stdio });
}

function makeKey(name, algorithm) {
  const args = algorithm ?? ALGORITHMS[name];
  openssl('genpkey', '-algorithm', ...args, '-out', `${name}.key`);
  return readFileSync(join(work, `${name}.key`), 'utf8');
}

function makeCert(name, issuer, ca) {
  const [subject, days] = [`/CN=${name}.example.com`, '36500'];
  const signer = issuer === null ? [] : ['-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`];
  const constraints = `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`;
  openssl(
    ...['req', '-x509', '-batch', '-key', `${name}.key`, '-subj', subject, '-days', days],
    ...[...signer, '-addext', constraints, '-out', `${name}.crt`],
  );
  return readFileSync(join(work, `${name}.crt`), 'utf8');
}

/** A CA signs a key that cannot sign a request itself. */
function makeAgreementCert() {
  openssl('pkey', '-in', 'x25519.key', '-pubout', '-out', 'x25519.pub');
  openssl(
    'req',
    '-new',
    '-batch',
    '-key',
    'ec.key',
    '-subj',
    '/CN=x25519.example.com',
    '-out',
    'x.csr',
  );
  const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-days', '36500'];
  openssl(
    'x509',
    '-req',
    '-in',
    'x.csr',
    '-force_pubkey',
    'x25519.pub',
    ...signer,
    '-out',
    'x25519.crt',
  );
  return readFileSync(join(work, 'x25519.crt'), 'utf8');
}

function makeDsa() {
  openssl(
    'genpkey',
    '-genparam',
    '-algorithm',
    'DSA',
    '-pkeyopt',
    'dsa_paramgen_bits:2048',
    '-out',
    'dsa.par',
  );
  openssl('genpkey', '-paramfile', 'dsa.par', '-out', 'dsa.key');
}

function traditional(name) {
  return openssl('pkey', '-in', `${name}.key`, '-traditional');
}

function pem(label, der) {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function der(text) {
  return Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}

function longer(text, label) {
  return pem(label, Buffer.concat([der(text), Buffer.from([0])]));
}

const keys = Object.fromEntries(Object.keys(ALGORITHMS).map((name) => [name, makeKey(name)]));
makeDsa();
const root = makeCert('root', null, true);
const ca = makeCert('ca', 'root', true);
const signing = Object.keys(ALGORITHMS).filter((name) => !['x25519', 'root', 'ca'].includes(name));
const certs = Object.fromEntries(
  [...signing, 'dsa'].map((name) => [name, makeCert(name, 'ca', false)]),
);
const chain = (name) => keys[name] + certs[name];
const junk = Buffer.from('no ASN.1 here');
const locked = ['-aes-128-cbc', '-passout', 'pass:secret'];
const parameters = openssl('ecparam', '-name', 'prime256v1');
const publicKey = openssl('pkey', '-in', 'ec.key', '-pubout');
const half = (text) => text.slice(0, Math.floor(text.length / 2));

/** File name, without .pem, to content. A name with a number is one of several files of a case. */
const files = {
  'good-one-chain': keys.ec + certs.ec + ca,
  'good-all-algorithms': [...signing]
    .filter((name) => name !== 'ec-other')
    .map(chain)
    .join(''),
  'good-issuers-stay-with-their-leaf': keys.rsa + certs.rsa + ca + root + chain('ec'),
  'good-traditional-keys':
    traditional('rsa') + certs.rsa + traditional('ec') + certs.ec + traditional('dsa') + certs.dsa,
  'good-old-certificate-label': keys.ec + certs.ec.replaceAll('CERTIFICATE', 'X509 CERTIFICATE'),
  'good-text-around': `Bag Attributes\n${keys.ec}subject=CN = x\n${certs.ec}\nthe end\n`,
  'good-carriage-returns': chain('ec').replaceAll('\n', '\r\n'),
  'good-no-final-line-feed': chain('ec').trimEnd(),
  'good-chain-spans-files.1': keys.rsa,
  'good-chain-spans-files.2': certs.rsa,
  'good-chain-spans-files.3': ca + keys.ec,
  'good-chain-spans-files.4': certs.ec,
  'good-one-file-is-empty.1': chain('ec'),
  'good-one-file-is-empty.2': 'nothing\n',
  'good-one-file-is-empty.3': chain('rsa'),
  'warn-key-parameters': parameters + chain('ec'),
  'warn-public-key': chain('ec') + publicKey,
  'warn-other-types-everywhere':
    pem('DH PARAMETERS', junk) + keys.ec + publicKey + certs.ec + pem('X509 CRL', junk) + ca,
  'warn-other-types-in-two-files.1': publicKey + keys.ec,
  'warn-other-types-in-two-files.2': pem('PKCS7', junk) + certs.ec,
  'bad-empty': '',
  'bad-no-pem-data': 'ec.example.com\n',
  'bad-no-pem-data-in-two-files.1': '\n',
  'bad-no-pem-data-in-two-files.2': '\n',
  'bad-only-other-types': publicKey,
  'bad-cert-first': certs.ec + keys.ec,
  'bad-cert-first-of-two-files.1': publicKey + certs.ec,
  'bad-cert-first-of-two-files.2': chain('rsa'),
  'bad-keys-back-to-back': keys.ec + chain('rsa'),
  'bad-keys-back-to-back-across-files.1': keys.ec,
  'bad-keys-back-to-back-across-files.2': chain('rsa'),
  'bad-only-key': keys.ec,
  'bad-key-at-the-end': chain('rsa') + keys.ec,
  'bad-last-key-does-not-match': keys['ec-other'] + certs.ec,
  'bad-last-key-of-another-algorithm': keys.rsa + certs.ec,
  'bad-first-key-does-not-match': keys['ec-other'] + certs.ec + chain('rsa'),
  'bad-key-and-wrong-cert-in-two-files.1': publicKey + keys['ec-other'],
  'bad-key-and-wrong-cert-in-two-files.2': certs.ec,
  'bad-issuer-before-leaf': keys.ec + ca + certs.ec,
  'bad-second-chain-of-one-algorithm': chain('ec') + chain('ec-other'),
  'bad-second-chain-of-one-algorithm-then-more': chain('ec') + chain('ec-other') + chain('rsa'),
  'bad-same-chain-in-two-files.1': chain('ec'),
  'bad-same-chain-in-two-files.2': chain('ec'),
  'bad-excess-data-in-key': longer(traditional('ec'), 'EC PRIVATE KEY') + certs.ec,
  'bad-excess-data-in-pkcs8-key': longer(keys.ec, 'PRIVATE KEY') + certs.ec,
  'bad-excess-data-in-cert': keys.ec + longer(certs.ec, 'CERTIFICATE'),
  'bad-undecodable-key': pem('PRIVATE KEY', junk) + certs.ec,
  'bad-undecodable-cert': publicKey + keys.ec + pem('CERTIFICATE', junk),
  'bad-key-label-of-another-form': pem('RSA PRIVATE KEY', der(traditional('ec'))) + certs.ec,
  'bad-public-key-labelled-private': pem('PRIVATE KEY', der(publicKey)) + certs.ec,
  'bad-key-of-the-future':
    pem(
      'PRIVATE KEY',
      Buffer.from(
        '302e020100300506032b9a70042204200000000000000000000000000000000000000000000000000000000000000000',
        'hex',
      ),
    ) + certs.ec,
  'bad-encrypted-pkcs8-key': openssl('pkey', '-in', 'ec.key', ...locked) + certs.ec,
  'bad-encrypted-traditional-key':
    openssl('pkey', '-in', 'rsa.key', '-traditional', ...locked) + certs.rsa,
  'bad-cannot-sign': keys.x25519 + makeAgreementCert(),
  'bad-cut-in-key': half(keys.rsa),
  'bad-cut-in-cert': keys.ec + half(certs.ec),
  'bad-no-end-line': keys.ec + certs.ec.replace(/-----END.*\n/, ''),
  'bad-end-line-of-another': keys.ec + certs.ec.replace('END CERTIFICATE', 'END PRIVATE KEY'),
  'bad-base64': keys.ec + certs.ec.replace(/\n[A-Za-z0-9]/, '\n*'),
  'bad-file-is-missing.1': chain('ec'),
  // Legacy parameters: key and certificate in one file, or a file (.key) beside the other.
  'legacy-good-mixed': keys.rsa + certs.rsa + ca,
  'legacy-good-mixed-key-last': certs.rsa + ca + keys.rsa,
  'legacy-good-mixed-key-between': certs.rsa + keys.rsa + ca,
  'legacy-good-pair': certs.rsa + ca,
  'legacy-good-pair.key': keys.rsa,
  'legacy-good-traditional-pair': certs.ec,
  'legacy-good-traditional-pair.key': traditional('ec'),
  'legacy-warn-mixed-second-key': keys.rsa + certs.rsa + keys.ec + ca,
  'legacy-good-mixed-other-type': parameters + certs.ec + keys.ec,
  'legacy-bad-mixed-no-key': certs.rsa + ca,
  'legacy-bad-mixed-no-cert': keys.rsa,
  'legacy-bad-mixed-no-pem-data': 'nothing\n',
  'legacy-bad-mixed-key-does-not-match': keys.ec + certs.rsa,
  'legacy-bad-mixed-first-cert-is-issuer': ca + certs.rsa + keys.rsa,
  'legacy-bad-mixed-undecodable-cert': keys.rsa + pem('CERTIFICATE', junk),
  'legacy-bad-mixed-excess-data': longer(keys.rsa, 'PRIVATE KEY') + certs.rsa,
  'legacy-bad-mixed-encrypted-key': certs.ec + openssl('pkey', '-in', 'ec.key', ...locked),
  'legacy-bad-pair-does-not-match': certs.rsa,
  'legacy-bad-pair-does-not-match.key': keys.ec,
  'legacy-bad-pair-no-cert': 'nothing\n',
  'legacy-bad-pair-no-cert.key': keys.rsa,
  'legacy-bad-pair-no-key': certs.rsa,
  'legacy-bad-pair-no-key.key': certs.rsa,
  'legacy-bad-pair-undecodable-cert': pem('CERTIFICATE', junk),
  'legacy-bad-pair-undecodable-cert.key': keys.rsa,
  'legacy-bad-pair-undecodable-key': certs.rsa,
  'legacy-bad-pair-undecodable-key.key': pem('PRIVATE KEY', junk),
  'legacy-bad-pair-encrypted-key': certs.rsa,
  'legacy-bad-pair-encrypted-key.key': openssl('pkey', '-in', 'rsa.key', ...locked),
  'legacy-bad-pair-key-file-is-missing': certs.rsa,
  'legacy-bad-pair-cert-file-is-missing.key': keys.rsa,
};

/** Files that are not there: links that lead nowhere, so that a case has all its names. */
const missing = [
  'bad-file-is-missing.2',
  'legacy-bad-pair-key-file-is-missing.key',
  'legacy-bad-pair-cert-file-is-missing',
  'legacy-bad-mixed-file-is-missing',
];

mkdirSync(FOLDER, { recursive: true });
for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.pem'))) {
  rmSync(join(FOLDER, name));
}
for (const [name, content] of Object.entries(files)) {
  writeFileSync(join(FOLDER, `${name}.pem`), content);
}
for (const name of missing) {
  symlinkSync('no-such-file', join(FOLDER, `${name}.pem`));
}
rmSync(work, { recursive: true });
