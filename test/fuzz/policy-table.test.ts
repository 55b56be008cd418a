/** Values of policy tables: whatever they are, a policy or a problem with a reason; never more trust than was written. */
import { expect } from 'vitest';
import { isProblem } from '../../lib/policy/policy.js';
import { mustMatch } from '../../lib/tls/levels.js';
import { hostFacts, policyWorld } from '../helpers/policy.js';
import { fuzz } from './inputs.js';

fuzz('policy-table', async (input) => {
  const value = input.toString();
  const { resolver, warnings } = policyWorld({
    settings: { securityLevel: 'secure' },
    policyMaps: [{ spec: 'fuzz:table', table: { lookup: () => value } }],
  });
  const policy = await resolver.resolvePolicy(hostFacts());
  if (isProblem(policy)) {
    expect(policy.text).not.toBe('');
    expect(policy.warning).not.toBeNull();
    return;
  }
  const [word] = value.toLowerCase().match(/[^\s,]+/) ?? [];
  // DNS of this world has nothing, and so dane comes to may.
  expect(policy.level).toBe(word === 'dane' ? 'may' : word);
  if (mustMatch(policy.level)) {
    expect(policy.forcedFailure || policy.match.length > 0).toBe(true);
  }
  if (policy.level !== 'none') {
    expect(warnings.filter((text) => text.startsWith('smtp_tls_policy_maps'))).toEqual([]);
  }
});
