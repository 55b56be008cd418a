/**
 * Keys for the demo: an ML-DSA-65 and an ECDSA P-256 key with self-signed certificates, in one chain file.
 *
 * Made by the `openssl` program of the OpenSSL that the addon was built with, because node's own crypto knows no
 * ML-DSA before node 24. Everything is in a private directory that the caller removes.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exitCode, Failure } from './command.js';

const execute = promisify(execFile);

export interface DemoKeys {
  /** Key, certificate, key, certificate. */
  readonly chainFile: string;
  /** Both certificates, for the client. */
  readonly caFile: string;
  /** OpenSSL configuration that prefers ML-DSA-65. */
  readonly configFile: string;
  readonly configName: string;
}

const kinds = [
  { name: 'mldsa65', newkey: ['-newkey', 'ML-DSA-65'] },
  { name: 'p256', newkey: ['-newkey', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'] },
] as const;

const configName = 'mxtls_demo';

const opensslConfiguration = `# Read by mxtls only (tls_config_file), by nothing else on this machine.
${configName} = init

[init]
ssl_conf = ssl

[ssl]
system_default = tls

[tls]
SignatureAlgorithms = mldsa65:ecdsa_secp256r1_sha256
`;

/**
 * Makes the keys in `directory`.
 *
 * @throws Failure when there is no usable openssl program
 */
export async function makeDemoKeys(directory: string, hostname: string): Promise<DemoKeys> {
  const openssl = await findOpenssl();
  const keys: DemoKeys = {
    chainFile: join(directory, 'chain.pem'),
    caFile: join(directory, 'ca.pem'),
    configFile: join(directory, 'openssl.cnf'),
    configName,
  };
  const chain: string[] = [];
  const certificates: string[] = [];
  for (const { name, newkey } of kinds) {
    const key = join(directory, `${name}.key`);
    const certificate = join(directory, `${name}.crt`);
    await makeCertificate(openssl, [...newkey, '-keyout', key, '-out', certificate], hostname);
    certificates.push(await readFile(certificate, 'utf8'));
    chain.push(await readFile(key, 'utf8'), ...certificates.slice(-1));
  }
  await writeFile(keys.chainFile, chain.join(''), { mode: 0o600 });
  await writeFile(keys.caFile, certificates.join(''));
  await writeFile(keys.configFile, opensslConfiguration);
  return keys;
}

async function makeCertificate(
  openssl: string,
  args: readonly string[],
  hostname: string,
): Promise<void> {
  const subject = ['-subj', `/CN=${hostname}`, '-addext', `subjectAltName=DNS:${hostname}`];
  // An empty configuration: the system's may ask for things that this openssl does not know.
  const env = { ...process.env, OPENSSL_CONF: '/dev/null' };
  try {
    await execute(openssl, ['req', '-x509', '-nodes', '-days', '2', ...subject, ...args], { env });
  } catch (error) {
    throw noKeys((error as Error).message.trim(), error);
  }
}

/** The openssl program that belongs to the addon. */
async function findOpenssl(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/openssl.mjs', import.meta.url));
  let program: string;
  try {
    const { stdout } = await execute(process.execPath, [script, '--print', 'bin']);
    program = stdout.trim();
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string };
    throw noKeys((stderr || String(error)).trim().replace(/^mxtls: /, ''), error);
  }
  if (program === '') {
    throw noKeys(
      'no openssl program of version 3.5 or newer is there; install one and set MXTLS_OPENSSL_DIR to its prefix',
      null,
    );
  }
  return program;
}

function noKeys(reason: string, cause: unknown): Failure {
  return new Failure(`cannot make keys for the demo: ${reason}`, exitCode.unavailable, cause);
}
