// Tests run in forked processes, never in worker threads: the addon keeps state per process, and
// several tests end processes on purpose. --expose-gc is for the tests of collected objects.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    execArgv: ['--expose-gc'],
    passWithNoTests: true,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    retry: 0,
  },
});
