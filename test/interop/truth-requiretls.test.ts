/**
 * The recorded truth of Postfix 3.11 with REQUIRETLS asked for and `smtp_requiretls_policy = enforce`, against servers that do not have it: each
 * case at each level comes with our deliver() to what smtp(8) made of it.
 */
import { requiretlsRows } from '../helpers/truth-world/cases.js';
import { OurClient } from '../helpers/truth-world/our-client.js';
import { describeRecording } from '../helpers/truth-world/recorded-cases.js';

// The servers of the recording did not have it: ours do.
const options = { requiretlsPolicy: 'enforce', discardEhloKeywords: ['REQUIRETLS'] };

describeRecording(requiretlsRows(), (world) => new OurClient(world, options, { requiretls: true }));
