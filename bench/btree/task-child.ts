// The process in which one contestant does one task: its request is the argument, its outcome a message.

import type { TaskRequest } from '../contest/types.ts'
import { contestantById } from './contestants/index.ts'
import { runTask } from './tasks.ts'

const request = JSON.parse(process.argv[2] ?? '') as TaskRequest
const outcome = await runTask(contestantById(request.contestant), request)
process.send?.(outcome, () => process.exit(0))
