// What the library for gRPC leaves to a server in JavaScript: puts and gets are answered at once with the same bytes, nothing is kept.
// Prints its port.
import grpc from '@grpc/grpc-js'

const VALUE_BYTES = 100
// Messages of the etcd v3 API, written by hand. A header: numbers of cluster, member, revision and term.
const header = [0x0a, 8, 0x08, 1, 0x10, 1, 0x18, 7, 0x20, 1]
const key = Buffer.from('key-000001')
const pair = [0x0a, key.length, ...key, 0x10, 2, 0x18, 2, 0x20, 1, 0x2a, VALUE_BYTES, ...Buffer.alloc(VALUE_BYTES, 'v')]
const ANSWERS = { Put: Buffer.from(header), Range: Buffer.from([...header, 0x12, pair.length, ...pair, 0x20, 1]) }

const same = (bytes) => bytes
const server = new grpc.Server()
for (const [name, answer] of Object.entries(ANSWERS)) {
  server.register(`/etcdserverpb.KV/${name}`, (_call, done) => done(null, answer), same, same, 'unary')
}
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  console.log(port)
})
