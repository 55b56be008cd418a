// How the scripts talk: progress on stderr (stdout belongs to answers that another program reads),
// and failures as one sentence without a stack, because the reader is a person installing a
// package and needs to know what to install or set.

/** A failure whose message is meant for the person at the keyboard; '' when it was told already. */
export class Sentence extends Error {}

export function say(text) {
  process.stderr.write(`mxtls: ${text}\n`);
}

/** Runs a script's main function; a Sentence ends it with status 1 and only its text. */
export async function run(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof Sentence)) {
      throw error;
    }
    if (error.message !== '') {
      say(error.message);
    }
    process.exitCode = 1;
  }
}
