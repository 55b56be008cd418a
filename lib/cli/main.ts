#!/usr/bin/env node
/** The command `mxtls`: finds the subcommand, runs it, ends with its exit code. */
import { nearest } from '../config/suggest.js';
import { type Command, exitCode, reportError, usageError } from './command.js';
import { demoCommand } from './demo.js';
import { watchOutput } from './output.js';
import { postconfCommand } from './postconf.js';
import { probeCommand } from './probe.js';
import { sendCommand } from './send.js';
import { smtpdCommand } from './smtpd.js';
import { sniCommand } from './sni.js';
import { tlsmgrCommand } from './tlsmgr.js';
import { tlsproxyCommand } from './tlsproxy.js';
import { versionCommand } from './version.js';

const commands: readonly Command[] = [
  demoCommand,
  smtpdCommand,
  sendCommand,
  probeCommand,
  sniCommand,
  tlsmgrCommand,
  tlsproxyCommand,
  postconfCommand,
  versionCommand,
];

const help = `Usage: mxtls COMMAND [OPTIONS]

The TLS subsystem of Postfix for Node.js, on the command line.

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`).join('\n')}

Options:
  -h, --help      this text; "mxtls COMMAND --help" tells about a command
  -V, --version   the same as "mxtls version"

Examples:
  mxtls demo
  mxtls smtpd --listen 127.0.0.1:2525 -o smtpd_tls_security_level=may \\
      -o smtpd_tls_chain_files=/etc/mxtls/mx.pem
  mxtls send --from me@example.org --to you@example.com --nexthop '[127.0.0.1]:2525' message.eml
  mxtls probe -l dane example.com
`;

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === '--help' || first === '-h' || first === 'help') {
    const about = commands.find((known) => known.name === rest[0]);
    process.stdout.write(about?.help ?? help);
    return exitCode.ok;
  }
  const name = first === '--version' || first === '-V' ? 'version' : first;
  const command = commands.find((known) => known.name === name);
  if (command === undefined) {
    return reportError(unknownCommand(name), null);
  }
  try {
    return await command.run(rest);
  } catch (error) {
    return reportError(error, command.name);
  }
}

function unknownCommand(name: string | undefined): Error {
  const names = commands.map((command) => command.name);
  if (name === undefined) {
    return usageError('no command', `use one of ${names.join(', ')}`);
  }
  const near = nearest(name, names);
  return usageError(
    `unknown ${name.startsWith('-') ? 'option' : 'command'} "${name}"`,
    near === null ? `use one of ${names.join(', ')}` : `did you mean "${near}"?`,
  );
}

watchOutput();
process.exitCode = await main(process.argv.slice(2));
