// The prompt of cache-cli, and commands from standard input, one a line.
import { createInterface } from 'node:readline'
import { BedplateError } from '../../base/errors.ts'
import { splitInline } from '../../wire/resp/index.ts'
import type { Output } from '../kit/output.ts'
import type { Nodes } from './cluster.ts'
import { addressOf } from './connection.ts'
import { type Manner, runCommand } from './run.ts'

const GOODBYE = /^(?:quit|exit)$/i

/**
 * Runs commands as they are typed, in Redis's quoting, until the input ends or `quit`. Errors are printed in the place of replies.
 * @returns False if one of them was one.
 */
export async function runLines(nodes: Nodes, manner: Manner, out: Output): Promise<boolean> {
  const isPrompt = process.stdin.isTTY === true
  const lines = createInterface({ input: process.stdin, ...(isPrompt ? { output: process.stdout } : {}) })
  const ask = (): void => {
    if (!isPrompt) return
    lines.setPrompt(`${addressOf(nodes.current.target)}> `)
    lines.prompt()
  }
  let isWell = true
  ask()
  for await (const line of lines) {
    const args = splitInline(Buffer.from(line).toString('latin1'))
    if (args !== undefined && GOODBYE.test(args[0] ?? '')) break
    try {
      if (args === undefined) throw new BedplateError('INVALID_INPUT', 'a quote has no end')
      if (args.length > 0) await runCommand(nodes, args, manner, out)
    } catch (error) {
      if (!(error instanceof BedplateError)) throw error
      isWell = false
      const { code, message } = error
      await out.line(manner.json ? JSON.stringify({ error: { code, message } }) : `(error) ${message}`)
      await out.flush()
      // Nothing can be asked any more.
      if (code === 'UNAVAILABLE' && error.cause !== undefined) throw error
    }
    ask()
  }
  lines.close()
  return isWell
}
