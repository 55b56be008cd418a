/** What `mxtls send` is asked to deliver, read from its command line before anything is done. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { isAddress } from '../smtp/path.js';
import type { ParsedArgs } from './args.js';
import { exitCode, Failure, usageError } from './command.js';
import { systemReason } from './system-reason.js';

export interface SendRequest {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Null: each recipient's domain. */
  readonly nexthop: string | null;
  /** The message is to say `TLS-Required: No`. */
  readonly tlsRequiredNo: boolean;
  /** Milliseconds since the epoch; null: now. */
  readonly arrivalTime: number | null;
  /** File name, `-` for standard input. */
  readonly source: string;
}

/** @throws TlsError `COMMAND_LINE` */
export function readRequest(options: ParsedArgs): SendRequest {
  const sender =
    options.string('from') ??
    missing('--from', 'the sender', "--from me@example.org, or --from ''");
  checkAddress('--from', sender, sender === '' || isAddress(sender));
  const recipients = options.strings('to');
  if (recipients.length === 0) {
    missing('--to', 'a recipient', '--to you@example.com');
  }
  for (const recipient of recipients) {
    checkAddress('--to', recipient, recipient !== '' && isAddress(recipient));
  }
  return {
    sender,
    ...{ recipients, nexthop: destination(recipients, options.string('nexthop')) },
    tlsRequiredNo: options.flag('tls-required-no'),
    arrivalTime: readArrivalTime(options.string('arrival-time')),
    source: options.positionals[0] ?? '-',
  };
}

function missing(option: string, what: string, example: string): never {
  throw usageError(`${option} is missing`, `name ${what}, for example ${example}`);
}

function checkAddress(option: string, address: string, good: boolean): void {
  if (!good) {
    throw usageError(
      `${option}: "${address}" is no address`,
      'write an address without angle brackets, such as user@example.com',
    );
  }
}

/** Without a next hop, each recipient has to say where to go. */
function destination(recipients: readonly string[], nexthop: string | null): string | null {
  const local = recipients.find((recipient) => !recipient.includes('@'));
  if (nexthop === null && local !== undefined) {
    throw usageError(
      `--to: "${local}" has no domain`,
      "name the server, for example --nexthop '[mx.example.com]:25'",
    );
  }
  return nexthop;
}

/** The message with the header before all others. */
export function withTlsRequiredNo(message: Buffer): Buffer {
  const line = Buffer.from('TLS-Required: No\r\n');
  return Buffer.concat([line, message]);
}

const secondsSinceEpoch = /^\d{1,11}(?:\.\d+)?$/;
const isoDate = /^\d{4}-\d\d-\d\d(?:$|[T ])/;

function readArrivalTime(text: string | null): number | null {
  if (text === null) {
    return null;
  }
  if (secondsSinceEpoch.test(text)) {
    return Number(text) * 1000;
  }
  const time = isoDate.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw usageError(
      `--arrival-time: "${text}" is no point in time`,
      'write seconds since 1970 or a date such as 2026-01-31T12:00:00Z',
    );
  }
  return time;
}

/**
 * The whole message: only then can its size be declared and another server be tried.
 *
 * @throws Failure when there is nothing to read
 */
export async function readMessage(source: string): Promise<Buffer> {
  if (source !== '-') {
    try {
      return await readFile(source);
    } catch (error) {
      throw unreadable(source, error);
    }
  }
  if (process.stdin.isTTY) {
    process.stderr.write('Reading the message from the terminal; end it with Ctrl-D.\n');
  }
  try {
    return await buffer(process.stdin);
  } catch (error) {
    throw unreadable('from standard input', error);
  }
}

function unreadable(source: string, error: unknown): Failure {
  return new Failure(
    `cannot read the message ${source}: ${systemReason(error)}`,
    exitCode.noInput,
    error,
  );
}
