/**
 * Both ways of linking, where each belongs: static in a node that shares the system's libssl (Debian 13's nodejs),
 * dynamic on a system with 3.5 in a node that has its own OpenSSL. In a private Debian 13 root; compiles there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeProgram } from '../../scripts/smoke.mjs';
import { ensureTrixieRoot, inRoot, whyNoRoot } from '../../scripts/trixie-root.mjs';

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const reason = whyNoRoot();
const minutes = 60_000;

/** Only P-384: no default list would choose it. */
const onlyP384 =
  'openssl_conf = init\nnodejs_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\nGroups = P-384\n';

test.runIf(process.env['CI'] !== undefined)('a Debian 13 root can be made', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('in a Debian 13 root', () => {
  let work = '';
  let ownNode = '';

  const inside = (command: readonly string[], env: Record<string, string> = {}): string => {
    const binds = [work, join(project, 'node_modules'), dirname(ownNode)];
    const headers = join(dirname(dirname(ownNode)), 'include');
    const [program = '', ...args] = inRoot(command, { binds: [...binds, headers], cwd: work });
    const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin';
    const done = spawnSync(program, args, {
      encoding: 'utf8',
      env: { PATH, HOME: work, ...env },
    });
    expect(done.status, done.stderr).toBe(0);
    return done.stdout;
  };
  const probe = (node: string, config: string, env: Record<string, string> = {}) =>
    JSON.parse(inside([node, join(work, 'probe.mjs'), work, config, join(work, 'chain.pem')], env));

  beforeAll(() => {
    ensureTrixieRoot();
    ownNode = nodeProgram('24');
    work = mkdtempSync(join(tmpdir(), 'mxtls-modes-'));
    for (const name of ['package.json', 'binding.gyp', 'native', 'scripts', 'dist']) {
      cpSync(join(project, name), join(work, name), { recursive: true });
    }
    symlinkSync(join(project, 'node_modules'), join(work, 'node_modules'));
    cpSync(join(project, 'test/interop/loading-probe.mjs'), join(work, 'probe.mjs'));
    writeFileSync(join(work, 'p384.cnf'), onlyP384);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const out = ['-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=probe', '-days', '3650'];
    inside(['openssl', 'req', '-x509', ...key, ...out]);
    inside(['sh', '-c', 'cat key.pem cert.pem > chain.pem']);
  }, 10 * minutes);

  afterAll(() => {
    rmSync(work, { recursive: true, force: true });
  });

  describe('static, in the nodejs that shares libssl', () => {
    beforeAll(() => {
      inside(['node', 'scripts/install.mjs', '--compile']);
    }, 5 * minutes);

    test('is what the install step chooses, and answers from its own file', () => {
      expect(probe('node', 'none')).toMatchObject({
        mode: 'static',
        nodeSharesSystem: true,
        path: join(work, 'build/Release/mxtls_static.node'),
      });
    });

    test("our configuration file does not touch node's TLS", () => {
      const { ours, node } = probe('node', join(work, 'p384.cnf'));
      expect(ours).toBe('secp384r1');
      expect(node).not.toContain('secp384r1');
    });

    test("node's OPENSSL_CONF does not touch ours", () => {
      const { ours, node } = probe('node', 'none', {
        OPENSSL_CONF: join(work, 'p384.cnf'),
        NODE_OPTIONS: '--openssl-shared-config',
      });
      expect(node).toEqual(['secp384r1', 'secp384r1']);
      expect(ours).not.toBe('secp384r1');
    });
  });

  describe('dynamic, in a node with its own OpenSSL', () => {
    beforeAll(() => {
      inside([ownNode, 'scripts/install.mjs', '--compile']);
    }, 5 * minutes);

    test("is what the install step chooses, and answers from the system's libssl", () => {
      const { mode, path, ours } = probe(ownNode, 'none');
      expect({ mode, ours }).toEqual({ mode: 'dynamic', ours: 'X25519MLKEM768' });
      expect(path).toMatch(/\/libssl\.so\.3$/);
    });

    test("our configuration file takes effect and does not touch node's TLS", () => {
      const { ours, node } = probe(ownNode, join(work, 'p384.cnf'));
      expect(ours).toBe('secp384r1');
      expect(node).not.toContain('secp384r1');
    });

    test('is refused under a preloaded allocator and in the node that shares libssl', () => {
      const load = `import('${work}/dist/addon.js').then(() => console.log('loaded'), (e) => console.log(e.code, e.message))`;
      expect(inside([ownNode, '-e', load], { LD_PRELOAD: 'libjemalloc.so.2' })).toMatch(
        /^ADDON_UNUSABLE .*libjemalloc\.so\.2/,
      );
      expect(inside(['node', '-e', load])).toMatch(/^ADDON_UNUSABLE .*npm rebuild mxtls/);
    });
  });
});
