/**
 * MTA-STS (RFC 8461): what the engine and callers use. `mta-sts.ts` says how.
 */
export { policyAttributes } from './attributes.js';
export type { FetchProps, StsFailure, StsFailureType } from './fetch.js';
export {
  type HostVerdict,
  judgeHost,
  MtaSts,
  type MtaStsProps,
  type StsPolicy,
} from './mta-sts.js';
export {
  maxAgeLimit,
  matchesMxPattern,
  parsePolicyFile,
  type StsMode,
  type StsPolicyFile,
} from './policy-file.js';
export { isPublicAddress } from './public-address.js';
export { findStsId, type StsId } from './record.js';
export { DirectoryStsStore, MemoryStsStore, type StoredPolicy, type StsStore } from './store.js';
