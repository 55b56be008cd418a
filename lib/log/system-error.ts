/**
 * The text of a system error as the C library words it, because log lines carry it: `Connection refused`.
 *
 * Node has the texts of libuv, which differ from the C library's in the first letter and in a few words.
 */
import { getSystemErrorMap } from 'node:util';

/** Texts that are worded otherwise by libuv. */
const worded: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EALREADY: 'Operation already in progress',
  EEXIST: 'File exists',
  EHOSTUNREACH: 'No route to host',
  EIO: 'Input/output error',
  EISCONN: 'Transport endpoint is already connected',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENOMEM: 'Cannot allocate memory',
  ENOTCONN: 'Transport endpoint is not connected',
  ENOTSUP: 'Operation not supported',
};

/** `errno` as the operating system counts (positive). */
export function systemErrorText(errno: number): string {
  const entry = getSystemErrorMap().get(-Math.abs(errno));
  if (entry === undefined) {
    return `Unknown error ${Math.abs(errno)}`;
  }
  const [name, text] = entry;
  return worded[name] ?? text.charAt(0).toUpperCase() + text.slice(1);
}
