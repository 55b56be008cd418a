/** `mxtls --version`: versions of the package, of node, and of the OpenSSL in use. */
import { readFileSync } from 'node:fs';
import { parseCommandLine } from './args.js';
import { type Command, exitCode } from './command.js';

const help = `Usage: mxtls --version [--json]

Prints the version of mxtls and which OpenSSL it uses.

Options:
  --json   one JSON object:
           { mxtls, node, openssl: { headers, runtime, path, mode, nodeSharesSystem } }
           headers and runtime are OpenSSL versions, path is the file its code comes from,
           mode is "static" or "dynamic", nodeSharesSystem tells whether node itself uses
           the OpenSSL of the system.

Examples:
  mxtls --version
  mxtls --version --json | jq -r .openssl.runtime
`;

async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, { json: { type: 'boolean' } });
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const mxtls = packageVersion();
  if (!options.flag('json')) {
    process.stdout.write(`mxtls ${mxtls}\n`);
  }
  const { libraryVersion } = await import('../tls/library.js');
  const openssl = libraryVersion();
  process.stdout.write(
    options.flag('json')
      ? `${JSON.stringify({ mxtls, node: process.versions.node, openssl }, null, 2)}\n`
      : `node ${process.versions.node}\nOpenSSL ${openssl.runtime} (${openssl.mode}, ${openssl.path})\n`,
  );
  return exitCode.ok;
}

export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}

export const versionCommand: Command = {
  name: 'version',
  summary: 'versions of mxtls and of the OpenSSL in use',
  help,
  run,
};
