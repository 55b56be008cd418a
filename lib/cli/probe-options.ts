/** The command line of `mxtls probe`, read before anything is done. */
import { readFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ParameterOptions } from '../config/from-parameters.js';
import type { SmtpTlsOptions } from '../config/options.js';
import { Resolver } from '../dns/resolver.js';
import type { ConnectTo, ProbeOptions } from '../probe/options.js';
import { MtaSts } from '../sts/index.js';
import { clientLevel, type ClientSecurityLevel } from '../tls/levels.js';
import { parseHostPort } from './address.js';
import type { ParsedArgs } from './args.js';
import { exitCode, Failure, usageError } from './command.js';
import { keyLogOption, readKeyLog } from './key-log-option.js';
import { parameterOption, readParameterOptions } from './parameter-options.js';
import { systemReason } from './system-reason.js';

export const probeOptionSpecs = {
  level: { type: 'string', short: 'l' },
  port: { type: 'string' },
  connect: { type: 'string' },
  nameserver: { type: 'string', multiple: true },
  'trust-ad': { type: 'boolean' },
  ca: { type: 'string' },
  servername: { type: 'string', short: 's' },
  rpk: { type: 'boolean' },
  'all-mx': { type: 'boolean' },
  reconnect: { type: 'boolean', short: 'r' },
  'no-sts': { type: 'boolean' },
  json: { type: 'boolean' },
  ...keyLogOption,
  ...parameterOption,
} as const;

export interface ProbeRequest {
  readonly options: ProbeOptions;
  readonly parameters: ParameterOptions;
  readonly resolver: Resolver;
}

/** Time limits of posttls-finger: a person waits. */
const defaults = ['smtp_helo_timeout=30s', 'smtp_starttls_timeout=30s', 'smtp_quit_timeout=5s'];

/** @throws TlsError `COMMAND_LINE`, `INVALID_ARGUMENT`, `INVALID_PARAMETER`, `MAIN_CF` @throws Failure no such file or host */
export async function readProbe(args: ParsedArgs): Promise<ProbeRequest> {
  const [destination, ...match] = args.positionals;
  if (destination === undefined) {
    throw usageError('no destination', 'name a domain, for example: mxtls probe example.com');
  }
  const level = readLevel(args.string('level'));
  const port = readPort(args.string('port'));
  const connect = await readConnect(args.string('connect'));
  const ca = args.string('ca');
  const parameters = readParameterOptions(args, 'smtp', defaults);
  const servers = args.strings('nameserver');
  const resolver = new Resolver({
    ...(servers.length === 0 ? {} : { servers }),
    trustAd: args.flag('trust-ad'),
  });
  const options: ProbeOptions = {
    destination: destination.replace(/^inet:/i, ''),
    ...(level === null ? {} : { level }),
    ...(port === null ? {} : { port }),
    ...(connect === null ? {} : { connect }),
    match,
    allMx: args.flag('all-mx'),
    reconnect: args.flag('reconnect'),
    dns: resolver,
    ...(args.flag('no-sts') ? {} : { sts: stsOf(resolver, ca) }),
    smtp: { ...parameters.smtp, tls: tlsOf(args, parameters.smtp.tls ?? {}, ca) },
    ...readKeyLog(args),
  };
  return { options, parameters, resolver };
}

function readLevel(text: string | null): ClientSecurityLevel | null {
  if (text === null) {
    return null;
  }
  const level = clientLevel(text);
  if (level === null) {
    throw usageError(
      `--level: "${text}" is no TLS level`,
      'use none, may, encrypt, fingerprint, dane, dane-only, verify or secure',
    );
  }
  return level;
}

function readPort(text: string | null): number | null {
  if (text === null) {
    return null;
  }
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) {
    throw usageError(`--port: "${text}" is no port`, 'write a number from 1 to 65535');
  }
  return port;
}

async function readConnect(text: string | null): Promise<ConnectTo | null> {
  if (text === null) {
    return null;
  }
  const { host, port } = parseHostPort(text, '--connect');
  if (isIP(host) !== 0) {
    return { address: host, port };
  }
  try {
    return { address: (await lookup(host)).address, port };
  } catch (error) {
    const message = `--connect: cannot find the address of ${host}`;
    throw new Failure(message, exitCode.unavailable, error);
  }
}

/** The person who runs it has chosen the destination: no address is refused. */
function stsOf(dns: Resolver, ca: string | null): MtaSts {
  const anyAddress = (): boolean => true;
  return new MtaSts({
    dns,
    allowAddress: anyAddress,
    ...(ca === null ? {} : { ca: readCa(ca) }),
  });
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const message = `--ca: cannot read ${file}: ${systemReason(error)}`;
    throw new Failure(message, exitCode.noInput, error);
  }
}

/** Where nobody names CAs, those of the system count: without any, no certificate is trusted. */
function tlsOf(args: ParsedArgs, tls: SmtpTlsOptions, ca: string | null): SmtpTlsOptions {
  const named = [tls.CAfile, tls.CApath, tls.appendDefaultCA].some((value) => value !== undefined);
  const servername = args.string('servername');
  return {
    ...tls,
    ...(named || ca !== null ? {} : { appendDefaultCA: true }),
    ...(ca === null ? {} : { CAfile: ca }),
    ...(servername === null ? {} : { servername }),
    ...(args.flag('rpk') ? { enableRpk: true } : {}),
  };
}
