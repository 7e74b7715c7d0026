// The LSM store against its peers: classic-level, which is LevelDB in Node, RocksDB's own db_bench, and our B-tree store; in turns
// on the same disk.
//
//   npm ci --prefix bench/peers            once; without it ours run alone
//   apt-get install rocksdb-tools          for RocksDB
//   npm run bench -- lsm                   1,000,000 records, 5 turns: about an hour
//   npm run bench -- lsm --quick           50,000 records, 1 turn: two minutes, and only roughly right
//
// What a figure is worth stands beside it: the spread of the turns, the durability of each contestant, and the load of the
// machine. Every contestant does every task in a process of its own. Compare ratios within one run, never figures of two.
import { CONTEST_OPTIONS, runContest } from './contest/main.ts'
import { LSM_CONTEST } from './lsm/contest.ts'
import type { BenchmarkSettings, OwnOptions } from './support.ts'

const SIZES = {
  full: { records: 1_000_000, turns: 5, seconds: 3 },
  quick: { records: 50_000, turns: 1, seconds: 0.5 },
}

export const options: OwnOptions = CONTEST_OPTIONS

export default async function run(settings: BenchmarkSettings): Promise<void> {
  await runContest(LSM_CONTEST, SIZES, settings)
}
