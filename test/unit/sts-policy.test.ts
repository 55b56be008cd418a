/** MTA-STS: TXT records, policy files, MX patterns, addresses, and the words of the policy table. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { policyAttributes } from '../../lib/sts/attributes.js';
import type { StsPolicy } from '../../lib/sts/mta-sts.js';
import { judgeHost } from '../../lib/sts/mta-sts.js';
import {
  matchesMxPattern,
  parsePolicyFile,
  type StsPolicyFile,
} from '../../lib/sts/policy-file.js';
import { isPublicAddress } from '../../lib/sts/public-address.js';
import { findStsId } from '../../lib/sts/record.js';

const example = [
  ...['version: STSv1', 'mode: enforce', 'mx: mail.example.com', 'mx: *.example.net'],
  ...['mx: backupmx.example.com', 'max_age: 604800', ''],
].join('\r\n');

function parsed(text: string): StsPolicyFile {
  const file = parsePolicyFile(text);
  if ('problem' in file) {
    throw new Error(file.problem);
  }
  return file;
}

function problem(text: string): string {
  const file = parsePolicyFile(text);
  return 'problem' in file ? file.problem : 'none';
}

describe('the TXT record', () => {
  test.each([
    ['v=STSv1; id=20160831085700Z;', '20160831085700Z'],
    ['v=STSv1;id=1', '1'],
    ['v=STSv1 \t;\t id=1 ; ext=a.b-c', '1'],
    ['v=STSv1; ext=1; id=2', '2'],
    ['v=STSv1; id=1; id=2', '1'],
  ])('%j has its id', (record, id) => {
    expect(findStsId([record])).toBe(id);
  });

  test.each([
    'v=STSv1',
    'v=STSv1;',
    'v=STSv1; id=',
    'v=STSv1; id=a_b',
    `v=STSv1; id=${'a'.repeat(33)}`,
    'v=STSv1; ID=1',
    'v=STSv1;; id=1',
    'v=STSv1; id=1; no value',
    'V=STSv1; id=1',
    'v=STSv2; id=1',
    'v=STSv10; id=1',
    ' v=STSv1; id=1',
    '',
  ])('%j is none', (record) => {
    expect(findStsId([record])).toBe(null);
  });

  test('counts when it is the only one of its kind', () => {
    expect(findStsId(['v=spf1 -all', 'v=STSv1; id=1', 'v=STSv12; id=3'])).toBe('1');
    expect(findStsId(['v=STSv1; id=1', 'v=STSv1; id=1'])).toBe(null);
    expect(findStsId(['v=STSv1; id=1', 'v=STSv1; broken'])).toBe(null);
  });
});

describe('the policy file', () => {
  test('is read as in RFC 8461 section 3.2', () => {
    expect(parsed(example)).toEqual({
      mode: 'enforce',
      mx: ['mail.example.com', '*.example.net', 'backupmx.example.com'],
      maxAge: 604_800,
      strings: example.split('\r\n').slice(0, -1),
    });
  });

  test('may end its lines with LF, leave out the last, and have blanks around values', () => {
    const loose = 'mode:testing\nmax_age: \t86400  \nmx:MX.Example.COM\t\nversion:  STSv1 \n \n\n';
    expect(parsed(loose)).toMatchObject({
      mode: 'testing',
      mx: ['mx.example.com'],
      maxAge: 86_400,
    });
    expect(parsed(example.replaceAll('\r\n', '\n').trimEnd())).toEqual(parsed(example));
  });

  test('may have keys that nobody knows, in UTF-8', () => {
    const file = parsed(`${example}x-note: \u00fcber: alles\r\n`);
    expect(file.strings.at(-1)).toBe('x-note: \u00fcber: alles');
    expect({ ...file, strings: [] }).toEqual({ ...parsed(example), strings: [] });
  });

  test('of a key that comes twice the first counts, even when the second is wrong', () => {
    const twice = `${example}mode: none\r\nmax_age: x\r\nversion: STSv2\r\n`;
    expect(parsed(twice)).toEqual(parsed(example));
  });

  test('has an age of a year at most', () => {
    expect(parsed(example.replace('604800', '31557600')).maxAge).toBe(31_557_600);
    expect(parsed(example.replace('604800', '31557601')).maxAge).toBe(31_557_600);
    expect(parsed(example.replace('604800', '9999999999')).maxAge).toBe(31_557_600);
    expect(parsed(example.replace('604800', '0')).maxAge).toBe(0);
  });

  test('needs no mx in mode none', () => {
    expect(parsed('version: STSv1\nmode: none\nmax_age: 60').mx).toEqual([]);
  });

  test.each([
    ['version: STSv1', 'version: STSv2', 'the version is not STSv1'],
    ['version: STSv1', 'x: y', 'the version is not STSv1'],
    ['version: STSv1', 'Version: STSv1', 'the version is not STSv1'],
    ['mode: enforce', 'mode: Enforce', 'the mode is none of enforce, testing and none'],
    ['max_age: 604800', 'max_age: -1', 'max_age is not a number of seconds'],
    ['max_age: 604800', 'max_age: 12345678901', 'max_age is not a number of seconds'],
    ['max_age: 604800', 'max_age: 1e3', 'max_age is not a number of seconds'],
    ['mx: mail.example.com', 'mx: *', '"*" is no MX pattern'],
    ['mx: mail.example.com', 'mx: a.*.example', '"a.*.example" is no MX pattern'],
    ['mx: mail.example.com', 'mx: .example.com', '".example.com" is no MX pattern'],
    ['mx: mail.example.com', 'mx: mail.example.com.', '"mail.example.com." is no MX pattern'],
    ['mx: mail.example.com', 'mx: a b', '"a b" is no MX pattern'],
    ['mx: mail.example.com', 'mx:', 'line 3 is not "key: value"'],
    ['mx: mail.example.com', '', 'line 3 is not "key: value"'],
    ['mx: mail.example.com', ' mx: mail.example.com', 'line 3 is not "key: value"'],
    ['mx: mail.example.com', 'mx: mail\rexample', 'line 3 is not "key: value"'],
    ['mx: mail.example.com', 'no colon', 'line 3 is not "key: value"'],
  ])('with %j changed to %j is invalid', (from, to, text) => {
    expect(problem(example.replace(from, to))).toBe(text);
  });

  test('without any mx is invalid, and so is nothing', () => {
    expect(problem('version: STSv1\nmode: enforce\nmax_age: 1')).toBe('there is no mx');
    expect(problem('')).toBe('the version is not STSv1');
  });

  test('is understood again from its own lines, whatever order and extensions it has', () => {
    const value = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~]{0,20}[!-~])?$/);
    const known = fc.shuffledSubarray(example.trimEnd().split('\r\n'), { minLength: 6 });
    const extra = fc.array(fc.tuple(fc.stringMatching(/^x[a-z0-9_.-]{0,20}$/), value));
    fc.assert(
      fc.property(known, extra, fc.constantFrom('\n', '\r\n', '  \n'), (fields, more, end) => {
        const lines = [...fields, ...more.map(([key, text]) => `${key}: ${text}`)];
        const file = parsed(lines.join(end));
        expect(parsed(file.strings.join('\n'))).toEqual(file);
        expect([...file.mx].sort()).toEqual([...parsed(example).mx].sort());
      }),
    );
  });

  test.each(['x:', ''])('64 KiB of blanks after %j take no time', (key) => {
    const blanks = ' '.repeat(65_000);
    const started = process.cpuUsage();
    problem(`${key}${blanks}x\n${blanks}`);
    findStsId([`v=STSv1; id=1${blanks}x${blanks}`]);
    expect(process.cpuUsage(started).user).toBeLessThan(200_000);
  });
});

describe('an MX pattern', () => {
  test.each([
    ['mx.example.com', 'mx.example.com', true],
    ['MX.Example.Com.', 'mx.example.com', true],
    ['a.mx.example.com', 'mx.example.com', false],
    ['mx.example.com', '*.example.com', true],
    ['example.com', '*.example.com', false],
    ['a.b.example.com', '*.example.com', false],
    ['.example.com', '*.example.com', false],
    ['mxexample.com', '*.example.com', false],
    ['com', '*.com', false],
  ])('host %s, pattern %s: %s', (host, pattern, matches) => {
    expect(matchesMxPattern(host, ['other.example', pattern])).toBe(matches);
  });
});

describe('an address', () => {
  test.each([
    ...['8.8.8.8', '1.1.1.1', '172.32.0.1', '192.0.1.1', '2606:4700::1111', '2a00:1450::1'],
    ...['64:ff9b::808:808'],
  ])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each([
    ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
    ...['0.0.0.0', '224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '203.0.113.7'],
    ...['::', '::1', 'fe80::1', 'fe80::1%lo', 'fc00::1', 'ff02::1', '2001:db8::1', '2002:7f00:1::'],
    ...['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '2001::1', '3fff::1'],
    ...['64:ff9b::7f00:1', '64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b::', '64:ff9b:1::1'],
    ...['localhost', '', '127.1'],
  ])('%s is not', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe('in the words of the policy table', () => {
  const policy = (text: string): StsPolicy => ({
    ...{ kind: 'policy', domain: 'example.com', id: '1', file: parsed(text) },
    ...{ fetchedAt: 0, expiresAt: 1 },
  });

  test('mode enforce is secure, with all that Postfix reports and matches', () => {
    expect(policyAttributes(policy(example))).toBe(
      'secure match=mail.example.com:.example.net:backupmx.example.com servername=hostname ' +
        'policy_type=sts policy_domain=example.com policy_ttl=604800 ' +
        'mx_host_pattern=mail.example.com mx_host_pattern=*.example.net ' +
        'mx_host_pattern=backupmx.example.com ' +
        '{ policy_string = version: STSv1 } { policy_string = mode: enforce } ' +
        '{ policy_string = mx: mail.example.com } { policy_string = mx: *.example.net } ' +
        '{ policy_string = mx: backupmx.example.com } { policy_string = max_age: 604800 }',
    );
  });

  test('mode testing is may: delivered whatever happens, and reported', () => {
    expect(policyAttributes(policy(example.replace('enforce', 'testing')))).toMatch(
      /^may policy_type=sts policy_domain=example\.com policy_ttl=604800 mx_host_pattern=/,
    );
  });

  test('mode none is nothing', () => {
    expect(policyAttributes(policy(example.replace('enforce', 'none')))).toBe(null);
  });

  test('a brace, which the table cannot hold, costs only the line that has it', () => {
    const text = policyAttributes(policy(`${example}x: } match=evil {\r\nz: 1`));
    expect(text).not.toContain('evil');
    expect(text).toContain('{ policy_string = z: 1 }');
  });

  test('a host with TLSA records is up to DANE, others have to match', () => {
    expect(judgeHost(policy(example), 'mail.example.com', true)).toBe('dane');
    expect(judgeHost(policy(example), 'evil.example', true)).toBe('dane');
    expect(judgeHost(policy(example), 'mail.example.com', false)).toBe('match');
    expect(judgeHost(policy(example), 'evil.example', false)).toBe('mismatch');
    const off = policy('version: STSv1\nmode: none\nmax_age: 1');
    expect(judgeHost(off, 'evil.example', false)).toBe('match');
  });
});
