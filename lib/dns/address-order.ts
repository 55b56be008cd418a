// In which order the addresses of a destination are tried: by MX preference, then by family if one is
// preferred, else by chance; and how many.
import { type Random, shuffle } from './random.js';

/** `smtp_address_preference` of Postfix. */
export type AddressPreference = 'any' | 'ipv4' | 'ipv6';

export interface Candidate {
  readonly family: 4 | 6;
  readonly preference: number;
}

export interface OrderProps {
  readonly addressPreference: AddressPreference;
  /** null: in the order in which DNS has them. */
  readonly random: Random | null;
  /** `smtp_mx_address_limit`; 0: no limit. */
  readonly limit: number;
  /** `smtp_balance_inet_protocols`: neither family crowds out the other. */
  readonly balance: boolean;
}

export function orderHosts<Host extends Candidate>(
  hosts: readonly Host[],
  props: OrderProps,
): readonly Host[] {
  const mixed = props.random === null ? hosts : shuffle(hosts, props.random);
  const sorted = mixed.toSorted(
    (one, other) =>
      one.preference - other.preference ||
      familyRank(one, props.addressPreference) - familyRank(other, props.addressPreference),
  );
  if (props.limit === 0 || sorted.length <= props.limit) {
    return sorted;
  }
  return props.balance ? balanced(sorted, props.limit) : sorted.slice(0, props.limit);
}

function familyRank({ family }: Candidate, preference: AddressPreference): number {
  return preference === 'any' || preference === `ipv${family}` ? 0 : 1;
}

/** Half of the limit for each family, and what one does not need for the other; the order stays. */
function balanced<Host extends Candidate>(sorted: readonly Host[], limit: number): readonly Host[] {
  const six = sorted.filter(({ family }) => family === 6).length;
  const four = sorted.length - six;
  const half = limit / 2;
  let most6 = Math.floor((limit + (sorted[0]?.family === 6 ? 1 : 0)) / 2);
  if (six <= half) {
    most6 = six;
  } else if (four <= half) {
    most6 = limit - four;
  }
  const left = { 4: limit - most6, 6: most6 };
  return sorted.filter(({ family }) => left[family]-- > 0);
}
