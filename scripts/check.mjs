// The rules of the house that no linter knows: which layer may import which, where OpenSSL may be
// called, what must not stand in the tree. Each rule is a row of a table below; `npm run check`
// prints every violation and fails if there is one.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readAptSources } from './apt-sources.mjs';
import { run, Sentence, say } from './say.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** lib/, lowest first: a file imports from its own row and from rows above it, never from below. */
const LAYERS = [
  ['errors', 'error-catalogue', 'native', 'loading'],
  ['addon'],
  ['snapshot'],
  ['dispatch', 'start-tls', 'connection', 'adopt'],
  ['tls/'],
  ['maildir/'],
  ...[
    [
      'smtp/',
      'policy/',
      'sts/',
      'tlsrpt/',
      'tlsmgr/',
      'session-cache/',
      'dns/',
      'maps/',
      'config/',
      'log/',
      'tlsproxy/message',
      'tlsproxy/answer',
      'tlsproxy/requester',
    ],
  ],
  ['sni/'],
  ['smtpd/', 'delivery/'],
  ['server', 'client', 'setup', 'probe/'],
  ['workers/', 'tlsproxy/'],
  ['index'],
  ['cli/'],
];

/**
 * Text that may stand only in some files. `in`: which files are searched; `except`: where it is
 * allowed; `comments: false`: only code counts.
 */
const FORBIDDEN = [
  {
    rule: 'only lib/addon.ts loads the binary',
    in: /^lib\/.*\.ts$/,
    except: /^lib\/addon\.ts$/,
    text: /process\.dlopen|createRequire|require\(/,
    comments: false,
  },
  {
    rule: 'only the glue includes OpenSSL headers',
    in: /^native\/.*\.(c|cc|h)$/,
    except: /^native\/(glue_\w+\.c|openssl_glue\.c|glue_internal\.h|test\/.*\.[ch]|bench\/.*)$/,
    text: /#\s*include\s*[<"]openssl\//,
  },
  {
    rule: 'the binding makes no OpenSSL call',
    in: /^native\/binding\//,
    text: /\b(SSL|EVP|X509|BIO|ERR|OPENSSL|CRYPTO|PEM|OSSL)_[A-Za-z]\w*\s*\(/,
    comments: false,
  },
  {
    rule: 'the glue knows neither node nor libuv',
    in: /^native\/[^/]+\.(c|h)$/,
    text: /#\s*include\s*[<"](node|napi|uv|js_native)/,
  },
  {
    rule: 'the poller, the handshake pool and the decoder know neither node nor libuv',
    in: /^native\/binding\/(poller|handshake_pool|data_decoder)\.(cc|h)$/,
    text: /#\s*include\s*[<"](node|napi|uv|js_native)/,
  },
  {
    rule: 'tests are not narrowed to one',
    in: /^test\/.*\.ts$/,
    text: /\b(test|it|describe)\.only\(/,
  },
  {
    rule: 'nothing is left for later',
    in: /./,
    except: /^(LICENSE|package-lock\.json|scripts\/check\.mjs)$/,
    text: /\b(TODO|FIXME)\b/,
  },
  {
    rule: 'no mirror, registry or path of one machine',
    in: /./,
    except: /^LICENSE$/,
    text: placesOfThisMachine(),
  },
  {
    rule: 'the lock file names no registry',
    in: /^package-lock\.json$/,
    text: /"resolved": "https?:/,
  },
];

/** Lists that must name exactly the files that exist. */
const LISTS = [
  { list: 'native/sources.txt', files: /^native\/[^/]+\.c$/ },
  { list: 'native/binding/sources.txt', files: /^native\/binding\/[^/]+\.cc$/ },
];

/** Hosts of the package sources configured here, and the directories of this user and this clone. */
function placesOfThisMachine() {
  const registry =
    spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout ?? '';
  const hosts = [registry.trim(), ...readAptSources().map((source) => source.uri)]
    .filter((uri) => URL.canParse(uri))
    .map((uri) => new URL(uri).hostname)
    .filter((host) => host.includes('.'));
  const dirs = [`${homedir()}/`, `${dirname(ROOT)}/`].filter((dir) => dir.split('/').length > 2);
  const escaped = [...new Set([...hosts, ...dirs])].map((word) => word.replaceAll('.', '\\.'));
  return new RegExp(escaped.join('|') || '(?!)');
}

function projectFiles() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const listed = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  if (listed.status !== 0) {
    throw new Sentence('check needs git and a clone of the repository.');
  }
  return listed.stdout.split('\0').filter((file) => file !== '' && existsSync(join(ROOT, file)));
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Comments become blanks, line numbers stay. */
function stripComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*/g, (found) =>
    found.replace(/[^\n]/g, ' '),
  );
}

function checkForbidden(file) {
  const rules = FORBIDDEN.filter((rule) => rule.in.test(file) && !rule.except?.test(file));
  if (rules.length === 0) {
    return [];
  }
  const text = read(file);
  if (text.includes('\0')) {
    return [];
  }
  return rules.flatMap((rule) => {
    const lines = (rule.comments === false ? stripComments(text) : text).split('\n');
    return lines.flatMap((line, i) =>
      rule.text.test(line) ? [`${file}:${i + 1}: ${rule.rule}: ${line.trim().slice(0, 100)}`] : [],
    );
  });
}

function layerOf(module) {
  return LAYERS.findIndex((row) =>
    row.some((name) => (name.endsWith('/') ? module.startsWith(name) : module === name)),
  );
}

function checkLayers(file) {
  if (!/^lib\/.*\.ts$/.test(file)) {
    return [];
  }
  const own = file.slice('lib/'.length, -'.ts'.length);
  const layer = layerOf(own);
  if (layer === -1) {
    return [`${file}: belongs to no layer; add it to LAYERS in scripts/check.mjs`];
  }
  const imports = [...read(file).matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)];
  return imports
    .map((m) => posix.join(posix.dirname(own), m[1]).replace(/\.js$/, ''))
    .filter((target) => layerOf(target) > layer)
    .map((target) => `${file}: imports ${target}, which is a layer above it`);
}

function checkHeader(file) {
  if (!/^(lib|scripts|native)\/.*\.(ts|mjs|c|cc|h)$/.test(file)) {
    return [];
  }
  const ok = /^(#![^\n]*\n)?(\/\/|\/\*)/.test(read(file));
  return ok ? [] : [`${file}: begins without a paragraph that says what it is for`];
}

function checkList({ list, files }, all) {
  const listed = read(list)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => `native/${line}`);
  const present = all.filter((file) => files.test(file));
  return [
    ...listed.filter((file) => !all.includes(file)).map((f) => `${list}: ${f} does not exist`),
    ...present.filter((file) => !listed.includes(file)).map((f) => `${list}: ${f} is not listed`),
  ];
}

function checkErrorCatalogue() {
  const args = ['scripts/generate-errors.mjs', '--check'];
  const done = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return done.status === 0 ? [] : [`lib/error-catalogue.ts: not current: ${done.stderr.trim()}`];
}

await run(() => {
  const all = projectFiles();
  const problems = [
    ...all.flatMap((file) => [...checkForbidden(file), ...checkLayers(file), ...checkHeader(file)]),
    ...LISTS.flatMap((list) => checkList(list, all)),
    ...checkErrorCatalogue(),
  ];
  for (const problem of problems) {
    process.stdout.write(`${problem}\n`);
  }
  if (problems.length > 0) {
    throw new Sentence(`check: ${problems.length} violations in ${all.length} files.`);
  }
  say(`check: ${all.length} files, no violation`);
});
