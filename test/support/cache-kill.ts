// A cache server with appendfsync always that is killed under load, again and again: whatever was replied to is there after.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Random, seededRandom } from '../../ts/io/random.ts'
import { ReplyDecoder } from '../../ts/wire/resp/index.ts'
import { binary } from './run-command.ts'
import { directoryInMemory } from './temporary-directory.ts'

const CLIENTS = 6
const PIPELINE = 8
const MAX_REPLIES = 3000

/** Runs so many rounds on one directory. @returns Writes that were acknowledged. @throws if one of them is lost. */
export async function killRounds(seed: number, rounds: number): Promise<number> {
  const random = seededRandom(seed)
  const { path, remove } = directoryInMemory()
  const acknowledged = new Array<number>(CLIENTS).fill(0)
  const sent = new Array<number>(CLIENTS).fill(0)
  let total = 0
  try {
    for (let round = 0; round <= rounds; round++) {
      const { child, port } = await start(path)
      try {
        await check(port, acknowledged, sent)
        if (round < rounds) total += await killUnderLoad(child, port, { acknowledged, sent, random })
      } finally {
        child.kill('SIGKILL')
      }
    }
    return total
  } finally {
    remove()
  }
}

async function start(path: string): Promise<{ child: ChildProcess; port: number }> {
  const flags = ['--port=0', '--json', `--dir=${path}`, '--appendonly=yes', '--appendfsync=always']
  const child = spawn(process.execPath, [binary('cache-server'), ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, port: (JSON.parse(line) as { port: number }).port }
}

interface Load {
  readonly acknowledged: number[]
  readonly sent: number[]
  readonly random: Random
}

/** Clients count, each its own key and list, until the server is killed after a random number of replies. */
async function killUnderLoad(child: ChildProcess, port: number, { acknowledged, sent, random }: Load): Promise<number> {
  const limit = 1 + Math.floor(random.next() * MAX_REPLIES)
  let replies = 0
  const ended = once(child, 'exit')
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    const socket = createConnection({ host: '127.0.0.1', port }).on('error', () => {})
    const decoder = new ReplyDecoder()
    const send = (): void => {
      const number = (sent[client] as number) + 1
      sent[client] = number
      socket.write(`MULTI\r\nSET count:${client} ${number}\r\nRPUSH list:${client} ${number}\r\nEXEC\r\n`)
    }
    socket.on('data', (bytes) => {
      decoder.push(bytes)
      for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) {
        if (reply.kind !== 'array') continue // +OK and +QUEUED
        acknowledged[client] = (acknowledged[client] as number) + 1
        if (++replies === limit) child.kill('SIGKILL')
        send()
      }
    })
    for (let i = 0; i < PIPELINE; i++) send()
    if (client === 0) socket.write('BGREWRITEAOF\r\n')
    await new Promise((resolve) => socket.on('close', resolve))
  })
  await Promise.all([...clients, ended])
  return replies
}

/** What was acknowledged is there, nothing that was not sent, and each transaction is whole. */
async function check(port: number, acknowledged: number[], sent: number[]): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port })
  for (let client = 0; client < CLIENTS; client++) {
    const count = Number((await ask(socket, `GET count:${client}`)) ?? 0)
    const length = Number(await ask(socket, `LLEN list:${client}`))
    const last = Number((await ask(socket, `LINDEX list:${client} -1`)) ?? 0)
    const [least, most] = [acknowledged[client] as number, sent[client] as number]
    if (count < least || count > most || length !== count || last !== count) {
      throw new Error(
        `client ${client}: count ${count}, list of ${length} up to ${last}; ${least} were acknowledged, ${most} sent`,
      )
    }
    // What was sent and not run never will be.
    acknowledged[client] = count
    sent[client] = count
  }
  socket.destroy()
}

async function ask(socket: Socket, line: string): Promise<string | undefined> {
  const decoder = new ReplyDecoder()
  socket.write(`${line}\r\n`)
  for (;;) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    decoder.push(bytes)
    const reply = decoder.next()
    if (reply !== undefined) return 'text' in reply ? reply.text : 'value' in reply ? String(reply.value) : undefined
  }
}
