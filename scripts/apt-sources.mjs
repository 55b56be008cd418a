// The machine's own apt sources, read so that we can ask the same mirrors for another suite.
//
// No mirror is named in this project: whoever may download Debian packages on this machine has
// said so in /etc/apt, and what is written there (a mirror, its keys) is all we use. Both file
// formats are understood: one-line `.list` and deb822 `.sources`. Only entries whose suite is a
// Debian release count; a vendor's repository does not carry Debian's packages.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DEBIAN_SUITE =
  /^(buster|bullseye|bookworm|trixie|forky|sid|oldoldstable|oldstable|stable|testing|unstable)(-updates|-security)?$/;

/**
 * @typedef {object} AptSource
 * @property {string} uri
 * @property {string} suite
 * @property {string[]} components
 * @property {string} signedBy  value of Signed-By as it stands (file names or a key block), or ''
 */

/** Every Debian archive the machine is configured for. @returns {AptSource[]} */
export function readAptSources(etc = '/etc/apt') {
  const files = [join(etc, 'sources.list')];
  const parts = join(etc, 'sources.list.d');
  if (existsSync(parts)) {
    files.push(
      ...readdirSync(parts)
        .sort()
        .map((name) => join(parts, name)),
    );
  }
  return files.flatMap((file) => {
    if (!existsSync(file)) {
      return [];
    }
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.sources')) {
      return parseDeb822(text);
    }
    return file.endsWith('.list') ? parseOneLine(text) : [];
  });
}

/** @param {string} text @returns {AptSource[]} */
export function parseOneLine(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const m = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (m === null || !DEBIAN_SUITE.test(m[3])) {
      continue;
    }
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(m[1] ?? '')?.[1] ?? '';
    found.push({
      uri: m[2],
      suite: m[3],
      components: m[4].trim().split(/\s+/),
      signedBy: signedBy.replaceAll(',', ' '),
    });
  }
  return found;
}

/** @param {string} text @returns {AptSource[]} */
export function parseDeb822(text) {
  const found = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = deb822Fields(stanza);
    const words = (name) => (fields[name] ?? '').split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || fields.enabled?.toLowerCase() === 'no') {
      continue;
    }
    for (const uri of words('uris')) {
      for (const suite of words('suites').filter((name) => DEBIAN_SUITE.test(name))) {
        const signedBy = fields['signed-by'] ?? '';
        found.push({ uri, suite, components: words('components'), signedBy });
      }
    }
  }
  return found;
}

/** One stanza; a continued line keeps its own line, so that an embedded key survives. */
function deb822Fields(stanza) {
  /** @type {Record<string, string>} */
  const fields = {};
  let name = '';
  for (const line of stanza.split('\n').filter((text) => !text.startsWith('#'))) {
    const m = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (m !== null) {
      name = m[1].toLowerCase();
      fields[name] = m[2].trim();
    } else if (name !== '' && line.trim() !== '') {
      fields[name] += `\n${line}`;
    }
  }
  return fields;
}

/**
 * The same archives asked for `codename` instead of the machine's own release: a security archive
 * for its security suite, an updates suite for its updates suite.
 * @param {readonly AptSource[]} sources
 */
export function forSuite(sources, codename) {
  const seen = new Set();
  return sources
    .filter((source) => source.components.includes('main'))
    .map((source) => {
      const suffix = /-(updates|security)$/.exec(source.suite)?.[0] ?? '';
      return { ...source, suite: codename + suffix };
    })
    .filter((source) => {
      const key = `${source.uri} ${source.suite}`;
      return seen.has(key) ? false : seen.add(key);
    });
}

/** deb822 text for a private sources file. @param {readonly AptSource[]} sources */
export function toDeb822(sources, type) {
  return sources
    .map((source) =>
      [
        `Types: ${type}`,
        `URIs: ${source.uri}`,
        `Suites: ${source.suite}`,
        'Components: main',
        ...(source.signedBy === '' ? [] : [`Signed-By: ${source.signedBy}`]),
        '',
      ].join('\n'),
    )
    .join('\n');
}
