/** What a process leaves with a connection, for the one that goes on with it. Pure. */
import type { Features } from '../smtp/extensions.js';

export interface SharedState {
  /** When the connection was begun, milliseconds since 1970. */
  readonly begun: number;
  /** Messages that it has carried. */
  readonly uses: number;
  /** What the server has said it can do. */
  readonly features: Features;
}

export function writeSharedState(state: SharedState): string {
  return JSON.stringify(state);
}

/** Null: it is none, and nobody knows what the server can do. */
export function readSharedState(text: string | null): SharedState | null {
  const { begun, uses, features } = parse(text);
  return isCount(begun) && isCount(uses) && uses > 0 && isFeatures(features)
    ? { begun, uses, features }
    : null;
}

const flags = ['pipelining', 'starttls', 'eightBitMime', 'smtputf8', 'dsn', 'chunking'] as const;

function isFeatures(value: unknown): value is Features {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { name, size, auth, requiretls, ...rest } = value as Readonly<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    (size === null || isCount(size)) &&
    typeof requiretls === 'boolean' &&
    Array.isArray(auth) &&
    auth.every((mechanism) => typeof mechanism === 'string') &&
    flags.every((flag) => typeof rest[flag] === 'boolean')
  );
}

function parse(text: string | null): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
