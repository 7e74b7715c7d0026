// A real cache server, killed under load with appendfsync always: no acknowledged write is lost, in 50 rounds and more.
import { killRounds } from '../support/cache-kill.ts'
import { killSuite } from '../support/kill-suite.ts'

export default killSuite('cache-kill', killRounds)
