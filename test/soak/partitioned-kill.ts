// Four real nodes of the partitioned store, killed and stopped under load in turn: no acknowledged write is lost, in 50 rounds and more.
import { killSuite } from '../support/kill-suite.ts'
import { killRounds } from '../support/ring-store/kill-rounds.ts'

export default killSuite('partitioned-kill', killRounds)
