// A way between two nodes that can be cut: a proxy of one TCP port. What is cut loses everything without a word, as a network does;
// once it is whole again, streams that have lost bytes are closed, and the nodes connect anew.
import type { Message } from '../../distributed/raft/index.ts'
import { type Address, type Connection, type ConnectionEvents, type Listener, realNetwork } from '../../io/network.ts'
import { Ear } from './ear.ts'

const HOST = '127.0.0.1'

/** Made by `openLink`. */
export class Link {
  readonly address: Address
  private readonly listener: Listener
  private readonly connections: Set<Connection>
  isCut = false

  constructor(listener: Listener, connections: Set<Connection>) {
    this.listener = listener
    this.address = listener.address
    this.connections = connections
  }

  cut(): void {
    this.isCut = true
  }

  heal(): void {
    if (!this.isCut) return
    this.isCut = false
    for (const connection of this.connections) connection.destroy()
  }

  close(): void {
    this.listener.close()
    for (const connection of this.connections) connection.destroy()
  }
}

/** Is told of every message that is sent on a way. `isBack`: by the node that was connected to. `isLost`: the way is cut. */
export type Listen = (message: Message, how: { readonly isBack: boolean; readonly isLost: boolean }) => void

/** Opens a way to `target` on a port of its own. */
export async function openLink(target: Address, listen: Listen): Promise<Link> {
  const connections = new Set<Connection>()
  const isCut = (): boolean => link.isCut
  const listener = await realNetwork.listen({ host: HOST, port: 0 }, (near) =>
    carry(near, { target, connections, isCut, listen }),
  )
  const link = new Link(listener, connections)
  return link
}

interface Way {
  readonly target: Address
  readonly connections: Set<Connection>
  readonly isCut: () => boolean
  readonly listen: Listen
}

/** Carries what comes on `near` to the target, and back. */
function carry(near: Connection, { target, connections, isCut, listen }: Way): ConnectionEvents {
  const [there, back] = [new Ear(), new Ear()]
  const hear = (ear: Ear, bytes: Uint8Array): void => {
    for (const message of ear.hear(bytes)) listen(message, { isBack: ear === back, isLost: isCut() })
  }
  connections.add(near)
  let far: Connection | undefined
  let waiting: Uint8Array[] = []
  const end = (): void => {
    connections.delete(near)
    near.destroy()
    far?.destroy()
  }
  const accept = (connection: Connection): ConnectionEvents => {
    far = connection
    for (const bytes of waiting) connection.write(bytes)
    waiting = []
    return {
      data: (bytes) => {
        hear(back, bytes)
        if (!isCut()) near.write(bytes)
      },
      drained() {},
      closed: end,
    }
  }
  realNetwork.connect(target, accept).catch(end)
  return {
    data: (bytes) => {
      hear(there, bytes)
      if (isCut()) return
      if (far === undefined) waiting.push(bytes)
      else far.write(bytes)
    },
    drained() {},
    closed: end,
  }
}
