// What Node's sockets cost a server that does next to nothing else: a `Map` behind the shortest reading of RESP that gives right
// replies to redis-benchmark. No expiry, no memory accounting, no limits, no errors, no other clients: not a cache.
//
//   node bench/cache/bare-server.mjs PORT
import { createServer } from 'node:net'

const keys = new Map()
const OK = '+OK\r\n'
const bulk = (text) => (text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`)
const valueFor = (key, make) => {
  if (!keys.has(key)) keys.set(key, make())
  return keys.get(key)
}

const COMMANDS = {
  GET: ([, key]) => bulk(keys.get(key)),
  SET: ([, key, value]) => {
    keys.set(key, value)
    return OK
  },
  INCR: ([, key]) => {
    const next = Number(keys.get(key) ?? 0) + 1
    keys.set(key, String(next))
    return `:${next}\r\n`
  },
  LPUSH: ([, key, element]) => `:${valueFor(key, () => []).push(element)}\r\n`,
  ZADD: ([, key, score, member]) => {
    const set = valueFor(key, () => new Map())
    const size = set.size
    return `:${set.set(member, Number(score)).size - size}\r\n`
  },
  MSET: (args) => {
    for (let i = 1; i < args.length; i += 2) keys.set(args[i], args[i + 1])
    return OK
  },
  FLUSHALL: () => {
    keys.clear()
    return OK
  },
  CONFIG: () => '*0\r\n',
  PING: () => '+PONG\r\n',
}

createServer((socket) => {
  socket.setNoDelay(true)
  let rest = ''
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    const text = rest + bytes.latin1Slice()
    let at = 0
    let replies = ''
    for (;;) {
      let next = text.indexOf('\n', at)
      if (next < 0) break
      const args = []
      const count = Number(text.slice(at + 1, next - 1))
      next++
      while (args.length < count) {
        const end = text.indexOf('\n', next)
        if (end < 0) break
        const length = Number(text.slice(next + 1, end - 1))
        if (end + length + 3 > text.length) break
        args.push(text.slice(end + 1, end + 1 + length))
        next = end + length + 3
      }
      if (args.length < count) break
      at = next
      replies += COMMANDS[args[0].toUpperCase()]?.(args) ?? '-ERR unknown command\r\n'
    }
    rest = text.slice(at)
    if (replies !== '') socket.write(replies, 'latin1')
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
