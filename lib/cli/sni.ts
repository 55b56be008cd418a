/** `mxtls sni`: builds stores with the chains of server names, and looks names up as the server does. */
import type { ParsedArgs } from './args.js';
import { parseCommandLine } from './args.js';
import { type Command, exitCode, usageError } from './command.js';
import { parameterHelp, parameterOption } from './parameter-options.js';
import { buildStore } from './sni-build.js';
import { queryName } from './sni-query.js';

const help = `Usage: mxtls sni build FILE
       mxtls sni query [--table TYPE:NAME ...] [-c DIR] [-o NAME=VALUE ...] [--pem | --json] NAME

Chains for the server names that clients ask for (SNI).

"build" makes the store FILE.mxlmdb from the source FILE, which "lmdb:FILE" then stands for: the
counterpart of "postmap -F". Each line of the source has a name and the files with its private
key, certificate and issuers; ".example.com" stands for all names below example.com:

  mx.example.com   /etc/mxtls/mx.pem
  .example.com     /etc/mxtls/example.key, /etc/mxtls/example.crt

Each chain is checked. Only if all can be used, the store takes the place of the old one, at
once; a running server keeps the old one until it reloads. The store has private keys in it:
only its owner may read it.

"query" looks a name up in tls_server_sni_maps, or in the tables given, in the server's order:
the name, then its parents with a leading dot. It prints which key of which table matched, and
the certificates.

Options of query:
  --table TYPE:NAME         look in this table, in the place of tls_server_sni_maps; may be
                            given many times
  --pem                     print what was found, private key and all
  --json                    print an object
${parameterHelp}
  -h, --help                this text

Exit codes:
  0; 1 when no table has the name; 64 wrong command line; 78 a source, chain or table that
  cannot be used

Examples:
  mxtls sni build /etc/mxtls/sni
  mxtls sni query --table lmdb:/etc/mxtls/sni mx.example.com
  mxtls sni query -c /etc/mxtls mx.example.com
  mxtls sni query --table texthash:/etc/mxtls/sni --pem mx.example.com | openssl x509 -text
`;

const querySpecs = {
  table: { type: 'string', multiple: true },
  pem: { type: 'boolean' },
  json: { type: 'boolean' },
  ...parameterOption,
} as const;

async function run(args: readonly string[]): Promise<number> {
  const [action, ...rest] = args;
  if (action === 'build') {
    return withArguments(rest, {}, 'FILE', (_options, file) => buildStore(file));
  }
  if (action === 'query') {
    return withArguments(rest, querySpecs, 'NAME', queryName);
  }
  if (action === '--help' || action === '-h') {
    process.stdout.write(help);
    return exitCode.ok;
  }
  throw usageError(
    action === undefined ? 'nothing to do' : `unknown action "${action}"`,
    'use build or query',
  );
}

async function withArguments(
  args: readonly string[],
  specs: Parameters<typeof parseCommandLine>[1],
  what: string,
  act: (options: ParsedArgs, argument: string) => Promise<number>,
): Promise<number> {
  const options = parseCommandLine(args, specs, 1);
  if (options.flag('help')) {
    process.stdout.write(help);
    return exitCode.ok;
  }
  const [argument] = options.positionals;
  if (argument === undefined || argument === '') {
    throw usageError(`no ${what}`, `name one`);
  }
  return act(options, argument);
}

export const sniCommand: Command = {
  name: 'sni',
  summary: 'build and query tables of server names',
  help,
  run,
};
