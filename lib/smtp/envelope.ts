/**
 * Sender and recipient of a message with what ESMTP says about them (RFC 5321 section 4.1.1.11):
 * SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461),
 * AUTH (RFC 4954), REQUIRETLS (RFC 8689).
 *
 * A server accepts a parameter only of an extension that it has offered; the names of those come in
 * as `offered`. All functions are pure; a reply says what is wrong.
 */
import { needsUtf8, parsePath } from './path.js';
import { type Reply, reply } from './reply.js';
import { decodeXtext } from './xtext.js';

export interface Sender {
  /** `` is the null sender. */
  readonly address: string;
  /** Declared size in bytes; null when not declared. */
  readonly size: number | null;
  readonly body: '7BIT' | '8BITMIME' | null;
  readonly smtputf8: boolean;
  readonly requiretls: boolean;
  /** What a bounce shall contain. */
  readonly ret: 'FULL' | 'HDRS' | null;
  readonly envid: string | null;
  /** AUTH= of RFC 4954, decoded; `<>` stands for "unknown". */
  readonly auth: string | null;
}

export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

export interface Recipient {
  readonly address: string;
  /** When to send a delivery status notification; empty when not said. */
  readonly notify: readonly Notify[];
  /** Original recipient, `rfc822;user@example.org`, decoded. */
  readonly orcpt: string | null;
}

/** Extensions whose parameters are accepted where they are offered; SIZE and BODY always are. */
export type Extension = 'SMTPUTF8' | 'DSN' | 'AUTH' | 'REQUIRETLS';

type Offered = ReadonlySet<Extension>;

/** Written out: copying a template costs more than reading the rest of the command. */
function plainSender(address: string): Mutable<Sender> {
  return {
    address,
    size: null,
    body: null,
    smtputf8: false,
    requiretls: false,
    ret: null,
    envid: null,
    auth: null,
  };
}

const noNotify: readonly Notify[] = [];

const mailSyntax = reply(501, '5.5.4', 'Syntax: MAIL FROM:<address>');
const rcptSyntax = reply(501, '5.5.4', 'Syntax: RCPT TO:<address>');
const badSender = reply(501, '5.1.7', 'Bad sender address syntax');
const badRecipient = reply(501, '5.1.3', 'Bad recipient address syntax');
const dsnDisabled = reply(501, '5.7.1', 'DSN support is disabled');
const undeclaredUtf8 = reply(553, '5.6.7', 'Must declare SMTPUTF8 to send unicode address');

/** Reads the argument of MAIL. */
export function parseMail(argument: string, offered: Offered, strict = false): Sender | Reply {
  const path = parsePath(argument, 'FROM', strict);
  if (path === null) {
    return mailSyntax;
  }
  if (path.address === null) {
    return badSender;
  }
  const sender = plainSender(path.address);
  if (path.parameters !== '') {
    const problem = apply(path.parameters, sender, offered, mailParameters);
    if (problem !== null) {
      return problem;
    }
  }
  return needsUtf8(sender.address) && !sender.smtputf8 ? undeclaredUtf8 : sender;
}

/** Reads the argument of RCPT. */
export function parseRcpt(
  argument: string,
  offered: Offered,
  smtputf8: boolean,
  strict = false,
): Recipient | Reply {
  const path = parsePath(argument, 'TO', strict);
  if (path === null) {
    return rcptSyntax;
  }
  if (path.address === null || path.address === '') {
    return badRecipient;
  }
  const recipient: Mutable<Recipient> = { address: path.address, notify: noNotify, orcpt: null };
  if (path.parameters !== '') {
    const problem = apply(path.parameters, recipient, offered, rcptParameters);
    if (problem !== null) {
      return problem;
    }
  }
  return needsUtf8(recipient.address) && !smtputf8 ? undeclaredUtf8 : recipient;
}

/** A parsed argument or the reply that refuses it? */
export function isReply(value: Sender | Recipient | Reply): value is Reply {
  return 'code' in value;
}

/** The address is malformed, and not what stands around it. */
export function isBadAddress(problem: Reply): boolean {
  return problem === badSender || problem === badRecipient;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** How one parameter enters `target`; false: its value is wrong. */
interface ParameterRule<T> {
  /** Has to be offered; null: accepted all the same, as it does no harm. */
  readonly extension: Extension | null;
  readonly set: (target: Mutable<T>, value: string | null) => boolean;
  /** Reply to a wrong value; null: that of an unsupported option. */
  readonly wrong: Reply | null;
}

function syntax(text: string): Reply {
  return reply(501, '5.5.4', text);
}

const mailParameters: Readonly<Record<string, ParameterRule<Sender>>> = {
  SIZE: { extension: null, set: setSize, wrong: syntax('Bad message size syntax') },
  BODY: { extension: null, set: setBody, wrong: null },
  SMTPUTF8: { extension: 'SMTPUTF8', set: setSmtputf8, wrong: null },
  REQUIRETLS: { extension: 'REQUIRETLS', set: setRequiretls, wrong: null },
  RET: { extension: 'DSN', set: setRet, wrong: syntax('Bad RET parameter syntax') },
  ENVID: { extension: 'DSN', set: setEnvid, wrong: syntax('Bad ENVID parameter syntax') },
  AUTH: { extension: 'AUTH', set: setAuth, wrong: syntax('Error: malformed AUTH= option') },
};

const rcptParameters: Readonly<Record<string, ParameterRule<Recipient>>> = {
  NOTIFY: {
    extension: 'DSN',
    set: setNotify,
    wrong: syntax('Error: Bad NOTIFY parameter syntax'),
  },
  ORCPT: { extension: 'DSN', set: setOrcpt, wrong: syntax('Error: Bad ORCPT parameter syntax') },
};

function apply<T>(
  text: string,
  target: Mutable<T>,
  offered: Offered,
  rules: Readonly<Record<string, ParameterRule<T>>>,
): Reply | null {
  for (const word of text.split(/\s+/)) {
    const equals = word.indexOf('=');
    const name = (equals < 0 ? word : word.slice(0, equals)).toUpperCase();
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const { extension = null } = rule ?? {};
    if (rule === undefined || (extension !== null && !offered.has(extension))) {
      return extension === 'DSN' ? dsnDisabled : unsupported(word);
    }
    if (!rule.set(target, equals < 0 ? null : word.slice(equals + 1))) {
      return equals < 0 || rule.wrong === null ? unsupported(word) : rule.wrong;
    }
  }
  return null;
}

function unsupported(word: string): Reply {
  return reply(555, '5.5.4', `Unsupported option: ${word}`);
}

function setSize(sender: Mutable<Sender>, value: string | null): boolean {
  if (value === null || !/^\d+$/.test(value)) {
    return false;
  }
  sender.size = Math.min(Number(value), Number.MAX_SAFE_INTEGER);
  return true;
}

function setBody(sender: Mutable<Sender>, value: string | null): boolean {
  const body = value?.toUpperCase();
  if (body !== '7BIT' && body !== '8BITMIME') {
    return false;
  }
  sender.body = body;
  return true;
}

function setSmtputf8(sender: Mutable<Sender>, value: string | null): boolean {
  sender.smtputf8 = true;
  return value === null;
}

function setRequiretls(sender: Mutable<Sender>, value: string | null): boolean {
  sender.requiretls = true;
  return value === null;
}

function setRet(sender: Mutable<Sender>, value: string | null): boolean {
  const ret = value?.toUpperCase();
  if ((ret !== 'FULL' && ret !== 'HDRS') || sender.ret !== null) {
    return false;
  }
  sender.ret = ret;
  return true;
}

function setEnvid(sender: Mutable<Sender>, value: string | null): boolean {
  const envid = value === null || value.length > 100 ? null : decodeXtext(value);
  if (envid === null || envid === '' || sender.envid !== null) {
    return false;
  }
  sender.envid = envid;
  return true;
}

function setAuth(sender: Mutable<Sender>, value: string | null): boolean {
  sender.auth = value === null || value === '' ? null : decodeXtext(value);
  return sender.auth !== null;
}

const notifyWords: readonly string[] = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];

function setNotify(recipient: Mutable<Recipient>, value: string | null): boolean {
  const words = (value ?? '').toUpperCase().split(',');
  const known = words.every((word) => notifyWords.includes(word));
  const never = words.includes('NEVER') && words.length > 1;
  if (!known || never || recipient.notify.length > 0) {
    return false;
  }
  recipient.notify = [...new Set(words as Notify[])];
  return true;
}

function setOrcpt(recipient: Mutable<Recipient>, value: string | null): boolean {
  const match = /^([A-Za-z0-9-]+);(.*)$/.exec(value ?? '');
  const address = match === null || (value ?? '').length > 500 ? null : decodeXtext(match[2] ?? '');
  if (address === null || recipient.orcpt !== null) {
    return false;
  }
  recipient.orcpt = `${match?.[1] ?? ''};${address}`;
  return true;
}
