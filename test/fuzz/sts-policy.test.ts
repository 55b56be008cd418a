/** MTA-STS policy files and TXT records, as whoever holds the domain, or the web server, writes them. */
import { expect } from 'vitest';
import { policyAttributes } from '../../lib/sts/attributes.js';
import { matchesMxPattern, maxAgeLimit, parsePolicyFile } from '../../lib/sts/policy-file.js';
import { findStsId } from '../../lib/sts/record.js';
import { fuzz } from './inputs.js';

fuzz('sts-policy', (input) => {
  const text = input.toString('utf8');
  const id = findStsId(text.split('\n'));
  expect(id ?? '0').toMatch(/^[A-Za-z0-9]{1,32}$/);
  const file = parsePolicyFile(text);
  if ('problem' in file) {
    expect(file.problem).not.toMatch(/[\r\n]/);
    return;
  }
  expect(file.maxAge).toBeLessThanOrEqual(maxAgeLimit);
  expect(file.mode === 'none' || file.mx.length > 0).toBe(true);
  // What is stored and read again is the same policy.
  expect(parsePolicyFile(file.strings.join('\n'))).toEqual(file);
  for (const pattern of file.mx) {
    expect(matchesMxPattern(pattern.replace('*', 'host'), [pattern])).toBe(true);
    expect(matchesMxPattern(`a.${pattern.replace('*', 'host')}`, [pattern])).toBe(false);
  }
  // Nothing in it can end a value of the policy table and begin another.
  const attributes = policyAttributes({
    ...{ kind: 'policy', domain: 'example.com', id: '1', file, fetchedAt: 0, expiresAt: 1 },
  });
  expect(attributes ?? '').toMatch(/^[^{}\r\n]*(?: \{ policy_string = [^{}\r\n]* \})*$/);
});
