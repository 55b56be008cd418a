/**
 * Parameters of older Postfix, put as the ones that took their place.
 *
 * `*_use_tls` and `*_enforce_tls` are a level where none is set. What is overruled says so.
 */
import type { Engine } from './check.js';

/** A parameter, expanded; empty when it is not set and has no default. */
export type TextOf = (name: string) => string;

export interface LegacyOptions {
  /** Null: the level parameter, or its default, decides. */
  readonly level: { readonly name: string; readonly text: string } | null;
  readonly warnings: readonly string[];
}

export function legacyOptions(
  engine: Engine,
  text: TextOf,
  isSet: (name: string) => boolean,
): LegacyOptions {
  const level = legacyLevel(engine, text);
  const levelName = `${engine}_tls_security_level`;
  const levelGiven = text(levelName) !== '';
  const overruled = [`${engine}_enforce_tls`, `${engine}_use_tls`].filter(
    (name) => levelGiven && isSet(name),
  );
  return {
    level: levelGiven ? null : level,
    warnings: overruled.map(
      (name) => `parameter ${name} is ignored: ${levelName} is "${text(levelName)}"`,
    ),
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
