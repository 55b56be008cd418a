import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { TlsError, type TlsErrorProps } from '../../lib/errors.js';
import { handshakeFailureLines } from '../../lib/log/handshake.js';
import { systemErrorText } from '../../lib/log/system-error.js';

function texts(direction: 'from' | 'to', error: TlsErrorProps): readonly string[] {
  const namaddr = direction === 'from' ? 'unknown[127.0.0.1]' : 'mx.example.com[198.51.100.1]:25';
  return handshakeFailureLines({ direction, namaddr, error: new TlsError(error) }).map(
    ({ severity, text }) => (severity === 'warning' ? `warning: ${text}` : text),
  );
}

test('a library error is -1 and then the queue of the library', () => {
  expect(
    texts('from', {
      code: 'TLS_HANDSHAKE',
      library:
        'error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1780:\nerror:02000001:x::y:a.c:1:',
    }),
  ).toEqual([
    'SSL_accept error from unknown[127.0.0.1]: -1',
    'warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1780:',
    'warning: TLS library problem: error:02000001:x::y:a.c:1:',
  ]);
});

test('a client says SSL_connect and gives the port', () => {
  expect(
    texts('to', {
      code: 'TLS_ALERT',
      library:
        'error:0A00042E:SSL routines::tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:918:SSL alert number 70:',
    }),
  ).toEqual([
    'SSL_connect error to mx.example.com[198.51.100.1]:25: -1',
    'warning: TLS library problem: error:0A00042E:SSL routines::tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:918:SSL alert number 70:',
  ]);
});

test.each([
  [{ code: 'LOST_CONNECTION' }, 'lost connection'],
  [{ code: 'HANDSHAKE_TIMEOUT' }, 'Connection timed out'],
  [{ code: 'READ_FAILED', errno: constants.errno.ECONNRESET }, 'Connection reset by peer'],
  [{ code: 'LOST_CONNECTION', errno: constants.errno.EPIPE }, 'Broken pipe'],
  [{ code: 'OUT_OF_MEMORY' }, 'out of memory'],
] as const)('%o reads "%s"', (error, reason) => {
  expect(texts('from', error)).toEqual([`SSL_accept error from unknown[127.0.0.1]: ${reason}`]);
});

test.each([
  [constants.errno.ECONNREFUSED, 'Connection refused'],
  [constants.errno.ETIMEDOUT, 'Connection timed out'],
  [constants.errno.EHOSTUNREACH, 'No route to host'],
  [constants.errno.ENETUNREACH, 'Network is unreachable'],
  [constants.errno.EADDRINUSE, 'Address already in use'],
  [constants.errno.EACCES, 'Permission denied'],
  [constants.errno.EISDIR, 'Is a directory'],
  [constants.errno.ENOENT, 'No such file or directory'],
  [constants.errno.EMFILE, 'Too many open files'],
  [constants.errno.EINVAL, 'Invalid argument'],
  [999999, 'Unknown error 999999'],
])('system error %i is "%s"', (errno, text) => {
  expect(systemErrorText(errno)).toBe(text);
});
