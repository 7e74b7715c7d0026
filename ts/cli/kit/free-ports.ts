// Ports for programs that must know each other's before they start.
import { realNetwork } from '../../io/network.ts'

/** Ports of this machine that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const refuse = { data() {}, drained() {}, closed() {} }
  const listeners = await Promise.all(
    Array.from({ length: count }, () => realNetwork.listen({ host: '127.0.0.1', port: 0 }, () => refuse)),
  )
  for (const listener of listeners) listener.close()
  return listeners.map(({ address }) => address.port)
}
