/**
 * Parameters of older Postfix, put as the ones that took their place.
 *
 * `*_use_tls` and `*_enforce_tls` are a level where none is set; the six files of certificates and keys are chain files
 * where there are none. What is overruled says so.
 */
import type { Engine } from './check.js';

/** A parameter, expanded; empty when it is not set and has no default. */
export type TextOf = (name: string) => string;

export interface LegacyOptions {
  /** Null: the level parameter, or its default, decides. */
  readonly level: { readonly name: string; readonly text: string } | null;
  /** Null: the chain files, or nothing, decide. */
  readonly chainFiles: readonly string[] | null;
  readonly warnings: readonly string[];
}

export function legacyOptions(
  engine: Engine,
  text: TextOf,
  isSet: (name: string) => boolean,
): LegacyOptions {
  const level = legacyLevel(engine, text);
  const files = legacyFiles(`${engine}_tls_`, text);
  const levelName = `${engine}_tls_security_level`;
  const chainName = `${engine}_tls_chain_files`;
  const levelGiven = text(levelName) !== '';
  const chainGiven = text(chainName) !== '';
  const overruled = [`${engine}_enforce_tls`, `${engine}_use_tls`].filter(
    (name) => levelGiven && isSet(name),
  );
  return {
    level: levelGiven ? null : level,
    chainFiles: chainGiven || files.length === 0 ? null : files,
    warnings: [
      ...overruled.map(
        (name) => `parameter ${name} is ignored: ${levelName} is "${text(levelName)}"`,
      ),
      ...(chainGiven && files.length > 0
        ? [`${engine}_tls_cert_file and the like are ignored: ${chainName} is set`]
        : []),
      ...(text(`${engine}_tls_cert_file`) === 'none'
        ? [`${engine}_tls_cert_file = none has no effect in this version`]
        : []),
    ],
  };
}

function legacyLevel(engine: Engine, text: TextOf): LegacyOptions['level'] {
  const isYes = (name: string): boolean => text(name).toLowerCase() === 'yes';
  const enforce = `${engine}_enforce_tls`;
  if (isYes(enforce)) {
    const verifies = engine === 'smtp' && isYes('smtp_tls_enforce_peername');
    return { name: enforce, text: verifies ? 'verify' : 'encrypt' };
  }
  const use = `${engine}_use_tls`;
  return isYes(use) ? { name: use, text: 'may' } : null;
}

/** Key before certificate, as chain files want it; a file that is both is named once. */
function legacyFiles(prefix: string, text: TextOf): readonly string[] {
  return ['', 'd', 'ec'].flatMap((kind) => {
    const cert = text(`${prefix}${kind}cert_file`);
    const key = text(`${prefix}${kind}key_file`);
    if (cert === '' || cert === 'none') {
      return [];
    }
    return key === cert ? [cert] : [key, cert];
  });
}
