/**
 * Transcripts: what an SMTP client says, what the server answers and logs, as text that people read.
 *
 * The same files (`test/golden/transcripts`) are played to our smtpd and to Postfix. In a file:
 *
 *     # a comment
 *     @ parameter = value     how the server is set, for the whole file
 *
 *     == name of a case
 *     C: EHLO x               the client says a line; lines that follow each other leave in one write
 *     C| text                 the same without CRLF at its end
 *     S: 250 2.0.0 Ok         the server answers with this line
 *     EHLO                    the client says EHLO and takes the answer, whatever it lists
 *     TLS                     the handshake
 *     END                     the server closes; nothing else came
 *     L: timeout after EHLO … the server logs this line (`connect from` is left out)
 *
 * `S(mxtls):`, `L(mxtls):` and `END(mxtls)` are about us alone, `(postfix)` about Postfix alone; a comment says why
 * they differ. `== name (mxtls)` is a case for us alone. The greeting is not told. In what the client says `\r`, `\n`, `\t`, `\0`,
 * `\xHH` and `\\` are bytes, `{{a*100}}` is a hundred times a. Queue ids are `ID`. A case without END goes on with QUIT, so that it
 * also shows that nothing else was said.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { RawClient } from './raw-client.js';
import { secure, secureFromStart } from './tls-client.js';

export type Side = 'mxtls' | 'postfix';

export interface Case {
  readonly name: string;
  readonly side: Side | null;
  readonly steps: readonly Step[];
}

type Step =
  | { readonly kind: 'say'; readonly bytes: Buffer }
  | { readonly kind: 'hear' | 'log'; readonly text: string; readonly side: Side | null }
  | { readonly kind: 'ehlo' | 'tls' | 'end'; readonly side: Side | null };

export interface TranscriptFile {
  /** Without `.txt`. */
  readonly name: string;
  /** Postfix parameters. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly cases: readonly Case[];
}

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly wrappermode: boolean;
}

const greeting = '220 mx.example.com ESMTP mxtls';
const folder = new URL('../golden/transcripts/', import.meta.url);

export function transcriptFiles(): TranscriptFile[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => parse(file.slice(0, -4), readFileSync(new URL(file, folder), 'utf8')));
}

/** The text of the case as `side` has it: what was said, with the answers that it wants. */
export function expected(played: Case, side: Side): { replies: string[]; log: string[] } {
  const texts = (kind: 'hear' | 'log'): string[] =>
    played.steps.flatMap((step) =>
      step.kind === kind && (step.side ?? side) === side ? [step.text] : [],
    );
  return { replies: texts('hear'), log: texts('log') };
}

/** Plays the client's part; the lines that the server said. */
export async function play(played: Case, side: Side, place: Place): Promise<string[]> {
  let client: RawClient = place.wrappermode
    ? await secureFromStart(place.port, { host: place.host })
    : await RawClient.connect(place.port, place.host);
  const replies: string[] = [];
  let open = true;
  const greeted = await client.line();
  replies.push(...(greeted === greeting ? [] : [greeted]));
  for (const [i, step] of played.steps.entries()) {
    if (step.kind === 'say') {
      const next = played.steps[i + 1];
      client.send(step.bytes, next?.kind === 'say');
    } else if (step.kind === 'hear' && (step.side ?? side) === side) {
      replies.push(anonymous(await client.line()));
      if (replies.at(-1) !== step.text) {
        client.socket.destroy(); // what follows would wait for lines that do not come
        return replies;
      }
    } else if (step.kind === 'ehlo') {
      const reply = await client.command('EHLO client.example');
      replies.push(...(/^250[- ]mx\.example\.com/.test(reply) ? [] : [reply]));
    } else if (step.kind === 'tls') {
      client = await secure(client);
    } else if (step.kind === 'end' && (step.side ?? side) === side) {
      replies.push(...linesOf(await client.rest()).map(anonymous));
      open = false;
    }
  }
  if (open) {
    client.send('QUIT\r\n');
    const last = linesOf(await client.rest());
    replies.push(...(last.join() === '221 2.0.0 Bye' ? [] : last));
  }
  client.end();
  return replies;
}

/** What differs from run to run. */
export function anonymous(line: string): string {
  return line
    .replace(/queued as \w+$/, 'queued as ID')
    .replace(/^(warning: )?(?!NOQUEUE)[0-9A-F]{6,}: /, '$1ID: ')
    .replace(/^(warning: TLS library problem: error:\w+:SSL routines):.*$/, '$1');
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\r\n$/, '').split('\r\n');
}

function parse(name: string, text: string): TranscriptFile {
  const parameters: Record<string, string> = {};
  const cases: (Case & { steps: Step[] })[] = [];
  for (const line of text.split('\n').filter((all) => all.trim() !== '' && !all.startsWith('#'))) {
    const setting = /^@ (\w+) =(?: (.*))?$/.exec(line);
    const title = /^== (.*?)(?: \((mxtls|postfix)\))?$/.exec(line);
    if (setting !== null) {
      parameters[setting[1] ?? ''] = setting[2] ?? '';
    } else if (title !== null) {
      const side = (title[2] as Side | undefined) ?? null;
      cases.push({ name: title[1] ?? '', side, steps: [] });
    } else {
      cases.at(-1)?.steps.push(parseStep(line));
    }
  }
  return { name, parameters, cases };
}

function parseStep(line: string): Step {
  const [, word, only = null] = /^(EHLO|TLS|END)(?:\((mxtls|postfix)\))?$/.exec(line) ?? [];
  if (word !== undefined) {
    return { kind: word.toLowerCase() as 'ehlo' | 'tls' | 'end', side: only as Side | null };
  }
  const [, letter, side = null, mark, text = ''] =
    /^([CSL])(?:\((mxtls|postfix)\))?([:|]) ?(.*)$/.exec(line) ?? [];
  if (letter === 'C') {
    return { kind: 'say', bytes: unescaped(mark === ':' ? `${text}\\r\\n` : text) };
  }
  if (letter === undefined) {
    throw new Error(`not a line of a transcript: ${line}`);
  }
  return { kind: letter === 'S' ? 'hear' : 'log', text, side: side as Side | null };
}

const escapes: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0' };

export function unescaped(text: string): Buffer {
  const binary = Buffer.from(text)
    .toString('latin1')
    .replace(/\{\{(.*?)\*(\d+)\}\}/g, (_, what: string, times: string) =>
      what.repeat(Number(times)),
    )
    .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, letter: string) =>
      hex === undefined
        ? (escapes[letter] ?? letter)
        : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(binary, 'latin1');
}

export const parseFile = parse;
