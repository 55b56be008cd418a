/**
 * Parameters as Postfix's postconf (Debian 13, 3.10) reads, expands and prints them, and as we do:
 * main.cf line by line, references of all forms, the defaults of all parameters that both know.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to parameters are written so
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Effective } from '../../lib/config/effective.js';
import { mergeSettings, readAssignments } from '../../lib/config/from-parameters.js';
import { parseMainCf } from '../../lib/config/main-cf.js';
import { defaultText, parameters } from '../../lib/config/parameters.js';
import { TlsError } from '../../lib/errors.js';
import {
  forgetDirectory,
  prepareDebian13,
  runInDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { expansions, expansionValues, wrongExpansions } from '../helpers/expansions.js';

const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('postconf can be run', () => {
  expect(reason).toBeNull();
});

/** What came of one run: exit status, standard output, standard error. */
interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(reason !== null)('postconf', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-postconf-'));

  beforeAll(() => {
    prepareDebian13();
    configure('.', {});
  }, 600_000);

  afterAll(() => {
    forgetDirectory(directory);
    rmSync(directory, { recursive: true });
  });

  /** A configuration directory with such a main.cf. */
  function configure(name: string, main: Readonly<Record<string, string>> | string): void {
    mkdirSync(join(directory, name), { recursive: true });
    const lines =
      typeof main === 'string'
        ? main
        : Object.entries({ compatibility_level: '3.9', ...main })
            .map(([parameter, value]) => `${parameter} = ${value}\n`)
            .join('');
    writeFileSync(join(directory, name, 'main.cf'), lines);
    writeFileSync(join(directory, name, 'master.cf'), '');
  }

  /** Runs a shell command for each line, `$line` to it; many at once, as a fatal error takes a second. */
  function postconfEach(command: string, lines: readonly string[]): readonly Ran[] {
    const script = `n=0; while IFS= read -r line; do
      { ${command} >$n.out 2>$n.err; echo $? >$n.status; } &
      n=$((n+1)); [ $((n % 100)) -gt 0 ] || wait
    done; wait`;
    runInDebian13(['sh', '-c', script], directory, `${lines.join('\n')}\n`);
    const read = (i: number, what: string): string =>
      readFileSync(join(directory, `${i}.${what}`), 'utf8');
    return lines.map((_, i) => ({
      status: Number(read(i, 'status')),
      stdout: read(i, 'out'),
      stderr: read(i, 'err'),
    }));
  }

  describe('$name and its relatives', () => {
    /** Of a run of blanks postconf prints one here and all there. */
    const oneBlank = (text: string): string => text.trim().replace(/ {2,}/g, ' ');

    /** What the banner is when it is set to a text; null for an error. */
    function ours(text: string): string | null {
      const main = Object.entries(values).map(([name, value]) => `${name} = ${value}\n`);
      const settings = mergeSettings(
        parseMainCf(main.join(''), 'main.cf'),
        readAssignments([`smtpd_banner=${text}`]),
      );
      try {
        return oneBlank(new Effective(settings).expanded('smtpd_banner'));
      } catch (error) {
        expect(error).toBeInstanceOf(TlsError);
        return null;
      }
    }

    const values = { ...expansionValues, compatibility_level: '3.9' };
    const command = 'postconf -c expand -x -h -o "smtpd_banner=$line" smtpd_banner';

    /**
     * What it may be after Postfix. An undefined name is empty in a condition; else postconf warns, and
     * Postfix's other programs end.
     */
    function theirs(texts: readonly string[]): readonly (readonly (string | null)[])[] {
      return postconfEach(command, texts).map(({ status, stdout, stderr }) => [
        ...(status === 0 ? [oneBlank(stdout)] : []),
        ...(status !== 0 || /undefined parameter/.test(stderr) ? [null] : []),
      ]);
    }

    beforeAll(() => configure('expand', values));

    test('each form', () => {
      // Postfix cannot compare numbers of more than 64 bits.
      const texts = [...expansions, ...wrongExpansions]
        .map(([text]) => text)
        .filter((text) => !/\d{20}/.test(text));
      const found = theirs(texts);
      for (const [i, text] of texts.entries()) {
        expect(found[i], text).toContain(ours(text));
      }
    });

    test('any texts', { timeout: 120_000 }, () => {
      const fragments = fc.constantFrom(
        ...['$', '$$', '${', '$(', '{', '}', '(', ')', '?', ':', ' ', '==', '<', '>=', '!='],
        ...[
          'bar',
          '1',
          '3.6',
          '<level',
          '.',
          '${bar',
          '${{',
          '$bar',
          '$empty',
          '${empty?',
          '{$bar}',
        ],
        ...['${bar?{a}:{b}}', '${empty:c}', '}}', '$(nested)', '${unknown', '{3.10}'],
      );
      const texts = fc.sample(
        fc.array(fragments, { maxLength: 12 }).map((parts) => parts.join('').trim()),
        300,
      );
      const found = theirs(texts);
      for (const [i, text] of texts.entries()) {
        expect(found[i], text).toContain(ours(text));
      }
    });
  });

  describe('main.cf', () => {
    /** Values of the parameters in `names`, as they are after reading; null for a file that is refused. */
    function ours(text: string): Readonly<Record<string, string>> | null {
      try {
        const settings = parseMainCf(text, 'main.cf');
        return Object.fromEntries(
          names.flatMap((name) => {
            const setting = settings.get(name);
            return setting === undefined ? [] : [[name, setting.text]];
          }),
        );
      } catch (error) {
        expect(error).toMatchObject({ code: 'MAIN_CF' });
        return null;
      }
    }

    const names = ['smtpd_banner', 'smtp_helo_name', 'myhostname', 'smtpd_tls_CAfile'];

    /** What it may be after Postfix, which passes over a first line that begins with white space. */
    function theirs(
      files: readonly string[],
    ): readonly (readonly (Readonly<Record<string, string>> | null)[])[] {
      const folders = files.map((text, i) => {
        configure(`cf${i}`, text);
        return `cf${i}`;
      });
      return postconfEach('postconf -c "$line" -n', folders).map(({ status, stdout, stderr }) => [
        ...(status === 0 ? [valuesOf(stdout)] : []),
        ...(status !== 0 || /must not start with whitespace/.test(stderr) ? [null] : []),
      ]);
    }

    function valuesOf(printed: string): Readonly<Record<string, string>> {
      const lines = printed.split('\n').map((line) => splitOnce(line, ' ='));
      return Object.fromEntries(lines.filter(([name]) => names.includes(name)));
    }

    test('lines of all sorts', { timeout: 120_000 }, () => {
      const lines = fc.oneof(
        fc
          .tuple(
            fc.constantFrom(...names),
            fc.constantFrom('=', ' = ', '= ', '\t=  '),
            fc.constantFrom('', 'a', 'a b', '$mail_name', '#b', '  c ', 'a=b', 'x # y', 'd\t'),
          )
          .map((parts) => parts.join('')),
        fc.constantFrom('', ' ', '# comment', ' # comment', '\t', '#', '  continued', '\tmore = x'),
        fc.constantFrom('  # not = one', 'smtpd_banner', '= x', 'smtpd banner = x'),
      );
      const files = fc
        .sample(fc.array(lines, { maxLength: 8 }), 200)
        .map((all) => all.map((line) => `${line}\n`).join(''));
      const found = theirs(files);
      for (const [i, text] of files.entries()) {
        expect(found[i], text).toContainEqual(ours(text));
      }
    });
  });

  describe('parameters', () => {
    /** Defaults that are not those of Postfix 3.10, and why. */
    const differences: Readonly<Record<string, string>> = {
      compatibility_level: 'no older defaults unless they are asked for',
      config_directory: 'a place of our own',
      data_directory: 'a place of our own',
      mail_name: 'another program',
      mail_version: 'another program',
      mynetworks: 'this machine only, not its networks',
      queue_directory: 'a place of our own',
      smtp_tls_security_level: 'since Postfix 3.11',
      smtp_tlsrpt_skip_reused_handshakes: 'since Postfix 3.11',
      tls_config_file: 'no configuration file of the machine is read unasked',
      tls_eecdh_auto_curves: 'OpenSSL 3.5 knows better: X25519MLKEM768 first',
      tls_ffdhe_auto_groups: 'since Postfix 3.11, with OpenSSL 3.5',
    };
    /** Depends on the machine's idea of itself. */
    const ofTheMachine = ['myhostname', 'mydomain'];

    function defaults(): ReadonlyMap<string, string> {
      const [ran] = postconfEach('postconf -c . -d', ['']);
      return new Map(
        (ran?.stdout ?? '').split('\n').map((line): [string, string] => {
          const [name = '', value = ''] = splitOnce(line, ' =');
          return [name, value];
        }),
      );
    }

    test('have the same defaults, but for those where we differ', () => {
      const theirs = defaults();
      const both = parameters.filter(
        ({ name }) => theirs.has(name) && !ofTheMachine.includes(name),
      );
      expect(both.length).toBeGreaterThan(200);
      const different = both.filter((row) => defaultText(row) !== theirs.get(row.name));
      expect(different.map(({ name }) => name)).toEqual(Object.keys(differences));
    });

    test('that Postfix 3.10 does not know came later', () => {
      const theirs = defaults();
      // Postfix has one of the name of each service in master.cf, and lists none.
      const ofServices = ['smtp_destination_concurrency_limit'];
      const later = parameters.filter(
        ({ name }) => !theirs.has(name) && !ofServices.includes(name),
      );
      for (const { name, since } of later) {
        expect([name, since]).toEqual([name, expect.stringMatching(/^3\.1[12]$/)]);
      }
      expect(later.length).toBeGreaterThan(0);
    });

    test('named on the command line are printed in the same form', () => {
      const named = ['smtpd_tls_loglevel', 'smtpd_timeout', 'tls_export_cipherlist'];
      for (const options of [
        '',
        '-d',
        '-x',
        '-H',
        '-n',
        '-o smtpd_timeout=5s',
        '-n -o smtpd_timeout=5s',
      ]) {
        const [theirs] = postconfEach(`postconf -c . ${options} $line`, [named.join(' ')]);
        expect([options, printed([...options.split(' ').filter(Boolean), ...named])]).toEqual([
          options,
          { status: theirs?.status, stdout: theirs?.stdout },
        ]);
      }
    });

    // Postfix's exit status is 0 then, and a misspelt name goes unnoticed in scripts.
    test('that are unknown are a warning; ours has the status 1, too', () => {
      const [theirs] = postconfEach('postconf -c . $line', ['smtpd_timeot smtpd_timeout']);
      expect(theirs).toMatchObject({
        status: 0,
        stderr: 'postconf: warning: smtpd_timeot: unknown parameter\n',
      });
      expect(printed(['smtpd_timeot', 'smtpd_timeout'])).toEqual({
        status: 1,
        stdout: theirs?.stdout,
      });
    });

    // Both say which options exclude each other; our status tells a wrong command line from a failure.
    test('cannot be asked for with -d and -n at once', () => {
      const [theirs] = postconfEach('postconf -c . -d -n $line', ['smtpd_timeout']);
      expect(theirs).toMatchObject({
        status: 1,
        stderr: 'postconf: fatal: specify one of -d -n\n',
      });
      expect(printed(['-d', '-n', 'smtpd_timeout'])).toEqual({ status: 64, stdout: '' });
    });

    function printed(args: readonly string[]): { status: number; stdout: string } {
      const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
      const place = args.includes('-d') && !args.includes('-n') ? [] : ['-c', directory];
      const done = spawnSync(process.execPath, [main, 'postconf', ...place, ...args], {
        encoding: 'utf8',
      });
      return { status: done.status ?? -1, stdout: done.stdout };
    }
  });
});

/** Text before and behind a separator, without blanks around. */
function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length).trim()];
}
