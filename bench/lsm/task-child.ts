// The process in which one contestant does one task: its request is the argument, its outcome a message.
import { peakRssBytes } from '../contest/measure.ts'
import type { Outcome, TaskRequest } from '../contest/types.ts'
import { contestantById } from './contestants/index.ts'

const request = JSON.parse(process.argv[2] ?? '') as TaskRequest
const figures = await contestantById(request.contestant).run(request)
const outcome: Outcome = { ...figures, rssBytes: peakRssBytes() }
process.send?.(outcome, () => process.exit(0))
