/**
 * A policy in the words of Postfix's policy table, as the plug-ins that Postfix users run return it.
 *
 * `secure match=mx.example.com:.example.com servername=hostname policy_type=sts policy_domain=example.com
 * policy_ttl=604800 mx_host_pattern=mx.example.com mx_host_pattern=*.example.com { policy_string = version: STSv1 } …`
 *
 * In testing mode the level is `may`: everything is delivered and reported. Mode none is no policy.
 */
import type { StsPolicy } from './mta-sts.js';

/** The value for the policy table; null: there is nothing to enforce or report. */
export function policyAttributes(policy: StsPolicy): string | null {
  const { file, domain } = policy;
  if (file.mode === 'none') {
    return null;
  }
  const level =
    file.mode === 'testing'
      ? ['may']
      : ['secure', `match=${file.mx.map(asMatch).join(':')}`, 'servername=hostname'];
  return [
    ...level,
    ...['policy_type=sts', `policy_domain=${domain}`, `policy_ttl=${file.maxAge}`],
    ...file.mx.map((pattern) => `mx_host_pattern=${pattern}`),
    ...file.strings.filter(isQuotable).map((line) => `{ policy_string = ${line} }`),
  ].join(' ');
}

/** `*.example.com` as one of Postfix's match strategies. */
function asMatch(pattern: string): string {
  return pattern.startsWith('*.') ? pattern.slice(1) : pattern;
}

/** The table has no way to write a brace inside braces; only an unknown key can have one. */
function isQuotable(line: string): boolean {
  return !/[{}]/.test(line);
}
