/** The header `TLS-Required: no` (RFC 8689, section 5), as far as the choice of a level goes. */
import { levelNumber, type TlsLevel } from '../tls/levels.js';

/** Anything but `no` is malformed, and logged as `ignoring malformed header`. */
export function readTlsRequired(value: string): 'no' | 'malformed' {
  return value.trim().toLowerCase() === 'no' ? 'no' : 'malformed';
}

/** Hardly a message has one, and a search for all of them costs more than the look. */
const anyTlsRequired = /^TLS-Required[ \t]*:/im;

/**
 * What the headers of a message say: `no` where one of them does. Folded lines are unfolded.
 *
 * @param headers the header section, without the empty line behind it
 * @param malformed gets the value of each header that says something else
 */
export function findTlsRequired(headers: string, malformed: (value: string) => void): boolean {
  if (!anyTlsRequired.test(headers)) {
    return false;
  }
  let no = false;
  for (const [, value = ''] of headers.matchAll(/^TLS-Required[ \t]*:(.*(?:\r?\n[ \t].*)*)/gim)) {
    const text = value.replace(/\r?\n/g, '');
    if (readTlsRequired(text) === 'no') {
      no = true;
    } else {
      malformed(text.trim());
    }
  }
  return no;
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
