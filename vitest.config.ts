import { defineConfig } from 'vitest/config'

const HEAVY = 'test/faults/**'
const EXTERNAL = 'test/external/**'
const PACKAGING = 'test/packaging/**'

// One project a kind of test, chosen by the npm scripts: `unit` needs Node alone, `external` Debian programs,
// `packaging` packs and installs the tarball. The suites of test/faults have a runner of their own (scripts/heavy.mjs).
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: '100%',
    globalSetup: ['test/support/global-setup.ts'],
    env: { VERIFY: '1' },
    restoreMocks: true,
    testTimeout: 120_000, // a guard against hanging, no measure: machines of CI are slow at times
    hookTimeout: 120_000,
    coverage: { provider: 'v8', include: ['ts/**/*.ts'], reporter: ['text', 'json-summary'] },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [HEAVY, EXTERNAL, PACKAGING] } },
      // Servers, clients and browsers of others wait most of the time: for each other, and for timeouts of their own.
      { extends: true, test: { name: 'external', include: [`${EXTERNAL}/*.test.ts`], maxWorkers: 4 } },
      {
        extends: true,
        test: { name: 'packaging', include: [`${PACKAGING}/*.test.ts`], testTimeout: 240_000, hookTimeout: 300_000 },
      },
    ],
  },
})
