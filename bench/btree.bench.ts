// The B-tree store against its peers: lmdb, classic-level and better-sqlite3, in turns on the same disk.
//
//   npm ci --prefix bench/peers       once; without it ours runs alone
//   npm run bench -- btree            1,000,000 records, 5 turns: about half an hour
//   npm run bench -- btree --quick    100,000 records, 3 turns: a few minutes, and only roughly right
//
// What a figure is worth stands beside it: the spread of the turns, the durability of each contestant, and the load of the
// machine. Every contestant does every task in a process of its own. Compare ratios within one run, never figures of two.
import { BTREE_CONTEST } from './btree/contest.ts'
import { CONTEST_OPTIONS, runContest } from './contest/main.ts'
import type { BenchmarkSettings, OwnOptions } from './support.ts'

const SIZES = {
  full: { records: 1_000_000, turns: 5, seconds: 3 },
  quick: { records: 100_000, turns: 3, seconds: 0.5 },
}

export const options: OwnOptions = CONTEST_OPTIONS

export default async function run(settings: BenchmarkSettings): Promise<void> {
  await runContest(BTREE_CONTEST, SIZES, settings)
}
