/** Methods of native objects on what is none: refused before native code touches it. */
import { expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { clientTls } from '../../lib/index.js';

const { context } = clientTls({}, 'mx.example.com');
const cache = addon.createSniCache(1);
const methods = Object.getPrototypeOf(context) as Record<string, (...args: unknown[]) => unknown>;

test.each([
  ['a plain object', {}],
  ['a primitive', 1],
  ['nothing', undefined],
  ['the prototype', methods],
  ['an object that inherits from one', Object.create(context)],
  ['a proxy of one', new Proxy(context, {})],
  ['a native object of another class', cache],
])('a method called on %s is an illegal invocation', (_name, receiver) => {
  expect(() => methods.prepare?.call(receiver, {})).toThrow(new TypeError('Illegal invocation'));
});

test('nobody but native code makes native objects', () => {
  const Context = methods.constructor as unknown as new () => object;
  expect(() => new Context()).toThrow(new TypeError('Illegal constructor'));
  expect(() => Reflect.construct(Context, [], Object)).toThrow(
    new TypeError('Illegal constructor'),
  );
});
