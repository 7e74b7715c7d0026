// Ports for servers that must know theirs before they start.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'

/** A port of this machine that nothing listens on now. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0] as number
}

/** Ports in a row on this machine that nothing listens on now, outside of what the system gives to clients. */
export async function freePorts(count: number): Promise<number[]> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000)
    const ports = Array.from({ length: count }, (_, i) => first + i)
    const servers = await Promise.all(ports.map(occupy))
    for (const server of servers) server?.close()
    await Promise.all(servers.map((server) => server?.listening && once(server, 'close')))
    if (servers.every((server) => server !== undefined)) return ports
  }
}

function occupy(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () =>
      resolve((server.address() as AddressInfo).port === port ? server : undefined),
    )
  })
}
