/** The header `TLS-Required: no` (RFC 8689, section 5), as far as the choice of a level goes. */
import { levelNumber, type TlsLevel } from '../tls/levels.js';

/** Anything but `no` is malformed, and logged as `ignoring malformed header`. */
export function readTlsRequired(value: string): 'no' | 'malformed' {
  return value.trim().toLowerCase() === 'no' ? 'no' : 'malformed';
}

/** Whether the header is heeded: a REQUIRETLS request of the same message is stronger. */
export function heedsTlsRequiredNo(message: {
  readonly tlsRequiredNo: boolean;
  readonly requiretls: boolean;
  /** `tls_required_enable`, `requiretls_enable` */
  readonly tlsRequiredEnable: boolean;
  readonly requiretlsEnable: boolean;
}): boolean {
  const overridden = message.requiretls && message.requiretlsEnable;
  return message.tlsRequiredNo && message.tlsRequiredEnable && !overridden;
}

/** Delivery comes before authentication then. */
export function relaxedLevel(globalLevel: TlsLevel, wrappermode: boolean): TlsLevel {
  const most: TlsLevel = wrappermode ? 'encrypt' : 'may';
  return levelNumber(globalLevel) > levelNumber(most) ? most : globalLevel;
}
