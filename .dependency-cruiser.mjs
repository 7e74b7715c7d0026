// The floors of ARCHITECTURE.md: imports point down only, type imports included. scripts/check.mjs runs it and fails
// if it saw no modules, since this tool passes silently when it cannot parse TypeScript.

/** From the lowest to the highest; each is a regular expression over the folders under ts/. */
const FLOORS = [
  'base',
  'io',
  'native',
  'storage',
  'wire',
  'service',
  '(?:cache|processing|database|distributed)',
  'testing',
  'cli',
  '(?:app|console)',
]

/** The only floors that may touch Node's own modules; all others reach the outside world through `io`. */
const OUTSIDE = '^ts/(?:io|native|cli|app|console)/'

const floorRules = FLOORS.slice(0, -1).map((floor, index) => ({
  name: `nothing-above-${floor.replaceAll(/[^a-z|]/g, '').replaceAll('|', '-')}`,
  comment: 'Imports point down only (ARCHITECTURE.md, "Floors").',
  severity: 'error',
  from: { path: `^ts/${floor}/` },
  to: { path: `^ts/(?:${FLOORS.slice(index + 1).join('|')})/` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...floorRules,
    {
      name: 'no-cycle',
      comment: 'Modules that need each other are one module, or lack a third below them.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'outside-world-only-through-io',
      comment: 'An engine that imports node:* cannot be simulated.',
      severity: 'error',
      from: { path: '^ts/', pathNot: OUTSIDE },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'systems-meet-at-their-index',
      comment: 'A system is used through its index.ts, or the public.ts of its users; what lies behind may change.',
      severity: 'error',
      from: { path: '^ts/(cache|processing/[^/]+|database/[^/]+|distributed/[^/]+)/' },
      to: {
        path: '^ts/(?:cache|processing/[^/]+|database/[^/]+|distributed/[^/]+)/',
        pathNot: ['^ts/$1/', '/(?:index|public)[.]ts$'],
      },
    },
    {
      name: 'product-without-tests',
      comment: 'What is published never imports tests, scripts or benchmarks.',
      severity: 'error',
      from: { path: '^(?:ts|bin)/' },
      to: { path: '^(?:test|scripts|bench)/' },
    },
    {
      name: 'published-dependencies-only',
      comment: 'ts/ may import only what the tarball declares in `dependencies`.',
      severity: 'error',
      from: { path: '^ts/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: { path: '^ts/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
