// Where keys are in a cluster: redirections, and which node has which slot. https://redis.io/docs/reference/cluster-spec/
import { BedplateError } from '../../base/errors.ts'
import type { Reply } from '../../wire/resp/index.ts'
import { ServerConnection, type Target } from './connection.ts'

const MAX_REDIRECTIONS = 16

/** A reply, and who gave it. */
export interface Answer {
  readonly reply: Reply
  readonly connection: ServerConnection
}

/** The nodes of a cluster, or the one server that there is; connections are opened as they are needed. */
export class Nodes {
  readonly #connections = new Map<string, ServerConnection>()
  readonly #first: ServerConnection
  #current: ServerConnection

  private constructor(first: ServerConnection) {
    this.#first = first
    this.#current = first
    this.#connections.set(keyOf(first.target), first)
  }

  static async open(target: Target): Promise<Nodes> {
    return new Nodes(await ServerConnection.open(target))
  }

  /** Who answered last. */
  get current(): ServerConnection {
    return this.#current
  }

  /**
   * Runs a command where its keys are: follows MOVED and ASK.
   * @throws UNAVAILABLE if it is sent from one to the other without end.
   */
  async run(args: readonly string[]): Promise<Answer> {
    let connection = this.#current
    let isAsking = false
    for (let left = MAX_REDIRECTIONS; left > 0; left--) {
      if (isAsking) await connection.run(['ASKING'])
      const reply = await connection.run(args)
      const moved = reply.kind === 'error' ? /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(reply.text) : null
      if (moved === null) return { reply, connection }
      const [, kind, host = '', port = ''] = moved
      isAsking = kind === 'ASK'
      connection = await this.#at(host === '' ? connection.target.host : host, Number(port))
      if (!isAsking) this.#current = connection
    }
    throw new BedplateError('UNAVAILABLE', `the nodes of the cluster sent ${args[0]} from one to the other`)
  }

  /**
   * The name of the node that has a slot: masters are counted by their first slots, from 1.
   * @throws NOT_SUPPORTED if the server is in no cluster.
   */
  async nameOf(slot: number): Promise<string> {
    const reply = await this.#first.run(['CLUSTER', 'SLOTS'])
    if (reply.kind === 'error') {
      throw new BedplateError('NOT_SUPPORTED', `--cluster: ${reply.text}`, {
        hint: 'cache-server --cluster starts one',
      })
    }
    const ranges = itemsOf(reply)
      .map(itemsOf)
      .sort((a, b) => numberOf(a[0]) - numberOf(b[0]))
    const masters: string[] = []
    let owner: string | undefined
    for (const [start, end, master] of ranges) {
      const [host, port] = itemsOf(master)
      const name = `${textOf(host)}:${numberOf(port)}`
      if (!masters.includes(name)) masters.push(name)
      if (numberOf(start) <= slot && slot <= numberOf(end)) owner = name
    }
    if (owner === undefined) throw new BedplateError('UNAVAILABLE', `no node has slot ${slot}`)
    return `node${masters.indexOf(owner) + 1}`
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
  }

  async #at(host: string, port: number): Promise<ServerConnection> {
    const target = { ...this.#first.target, host, port, database: 0 }
    const known = this.#connections.get(keyOf(target))
    if (known !== undefined) return known
    const made = await ServerConnection.open(target)
    this.#connections.set(keyOf(target), made)
    return made
  }
}

export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  return reply !== undefined && 'items' in reply ? reply.items : []
}

export function textOf(reply: Reply | undefined): string {
  return reply !== undefined && 'text' in reply ? reply.text : ''
}

function numberOf(reply: Reply | undefined): number {
  return reply?.kind === 'integer' ? Number(reply.value) : Number.NaN
}

function keyOf({ host, port }: Target): string {
  return `${host} ${port}`
}
