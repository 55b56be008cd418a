/** `mxtls sni query`: looks a server name up as the server does, and shows what it found. */
import { X509Certificate } from 'node:crypto';
import { openTable } from '../maps/open.js';
import type { OpenTable } from '../maps/table.js';
import { type FoundValue, findInTables, LookupProblem } from '../sni/find.js';
import type { ParsedArgs } from './args.js';
import { exitCode, Failure, usageError } from './command.js';
import { readParameterOptions } from './parameter-options.js';

/** Prints what was found; exit code 1 when there is nothing. */
export async function queryName(options: ParsedArgs, name: string): Promise<number> {
  const tables = await openAll(specsOf(options));
  try {
    const found = await findInTables(tables, name);
    if (found === undefined) {
      process.stderr.write(`mxtls: ${name} is in no table; the default chain is used for it\n`);
      return exitCode.failed;
    }
    process.stdout.write(await shown(found, name, options));
    return exitCode.ok;
  } catch (error) {
    throw error instanceof LookupProblem
      ? new Failure(error.message, exitCode.config, error)
      : error;
  } finally {
    for (const table of tables) {
      table.close();
    }
  }
}

function specsOf(options: ParsedArgs): readonly string[] {
  const given = options.strings('table');
  const specs =
    given.length > 0
      ? given
      : (readParameterOptions(options, 'smtpd').smtpd.tls?.serverSniMaps ?? []);
  if (specs.length === 0) {
    throw usageError(
      'no table to look in',
      'add --table lmdb:FILE, or set tls_server_sni_maps in main.cf or with -o',
    );
  }
  return specs;
}

async function openAll(specs: readonly string[]): Promise<readonly OpenTable[]> {
  const warn = (text: string): void => {
    process.stderr.write(`mxtls: warning: ${text}\n`);
  };
  const tables: OpenTable[] = [];
  for (const spec of specs) {
    tables.push(await openTable(spec, { valuesAreFiles: true, warn }));
  }
  return tables;
}

interface ChainFacts {
  readonly keyType: string;
  readonly subject: string;
  readonly names: string | null;
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly sha256: string;
}

async function shown(found: FoundValue, name: string, options: ParsedArgs): Promise<string> {
  if (options.flag('pem')) {
    return found.pem.toString().replace(/\n?$/, '\n');
  }
  const { parseChains } = await import('../sni/chains.js');
  const { keyTypes } = parseChains(found.pem, `${found.table} for ${found.key}`);
  const chains = leafCertificates(found.pem.toString()).map((pem, i) =>
    factsOf(pem, keyTypes[i] ?? ''),
  );
  if (options.flag('json')) {
    const { key, table } = found;
    return `${JSON.stringify({ name, key, table, chains }, null, 2)}\n`;
  }
  return [`${name}: matched by ${found.key} in ${found.table}\n`, ...chains.map(asText)].join('');
}

/** The first certificate after each private key. */
function leafCertificates(pem: string): readonly string[] {
  const objects = pem.match(/-----BEGIN ([^-]+)-----[^-]*-----END \1-----/g) ?? [];
  return objects.filter(
    (object, i) =>
      / CERTIFICATE-----/.test(object) && / PRIVATE KEY-----/.test(objects[i - 1] ?? ''),
  );
}

function factsOf(pem: string, keyType: string): ChainFacts {
  const certificate = new X509Certificate(pem);
  const inOneLine = (text: string): string => text.split('\n').join(', ');
  return {
    keyType,
    subject: inOneLine(certificate.subject),
    names: certificate.subjectAltName ?? null,
    issuer: inOneLine(certificate.issuer),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    sha256: certificate.fingerprint256,
  };
}

function asText(facts: ChainFacts): string {
  return `
  key       ${facts.keyType}
  subject   ${facts.subject}
  names     ${facts.names ?? 'none'}
  issuer    ${facts.issuer}
  valid     ${facts.notBefore} to ${facts.notAfter}
  SHA-256   ${facts.sha256}
`;
}
