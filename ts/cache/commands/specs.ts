// Every command that the engine has: facts of Redis 7.0.15 as COMMAND tells them. One line a command:
//
//   name arity flags firstKey lastKey step categories
//
// Arity counts the name; a negative one is a minimum. A last key of -1 is the last argument. `-` is an empty list. Categories
// are those that do not follow from the flags. Subcommands are written `container|name`.

const SPECS = `
  // connection
  ping -1 fast 0 0 0 connection
  echo 2 loading,stale,fast 0 0 0 connection
  hello -1 noscript,loading,stale,fast,no_auth,allow_busy 0 0 0 connection
  quit -1 allow_busy,noscript,loading,stale,fast,no_auth 0 0 0 connection
  reset 1 noscript,loading,stale,fast,no_auth,allow_busy 0 0 0 connection
  select 2 loading,stale,fast 0 0 0 connection
  client -2 - 0 0 0 -
  client|id 2 noscript,loading,stale 0 0 0 connection
  client|getname 2 noscript,loading,stale 0 0 0 connection
  client|setname 3 noscript,loading,stale 0 0 0 connection
  client|unblock -3 admin,noscript,loading,stale 0 0 0 connection
  client|reply 3 noscript,loading,stale 0 0 0 connection
  command -1 loading,stale 0 0 0 connection
  command|count 2 loading,stale 0 0 0 connection
  command|info -2 loading,stale 0 0 0 connection
  command|list -2 loading,stale 0 0 0 connection
  command|getkeys -4 loading,stale 0 0 0 connection
  command|docs -2 loading,stale 0 0 0 connection
  // generic
  del -2 write 1 -1 1 keyspace
  unlink -2 write,fast 1 -1 1 keyspace
  exists -2 readonly,fast 1 -1 1 keyspace
  type 2 readonly,fast 1 1 1 keyspace
  keys 2 readonly 0 0 0 keyspace,dangerous
  scan -2 readonly 0 0 0 keyspace
  randomkey 1 readonly 0 0 0 keyspace
  rename 3 write 1 2 1 keyspace
  renamenx 3 write,fast 1 2 1 keyspace
  copy -3 write,denyoom 1 2 1 keyspace
  touch -2 readonly,fast 1 -1 1 keyspace
  object -2 - 0 0 0 -
  object|encoding 3 readonly 2 2 1 keyspace
  object|freq 3 readonly 2 2 1 keyspace
  object|idletime 3 readonly 2 2 1 keyspace
  object|refcount 3 readonly 2 2 1 keyspace
  object|help 2 loading,stale 0 0 0 keyspace
  dbsize 1 readonly,fast 0 0 0 keyspace
  swapdb 3 write,fast 0 0 0 keyspace,dangerous
  move 3 write,fast 1 1 1 keyspace
  flushdb -1 write 0 0 0 keyspace,dangerous
  flushall -1 write 0 0 0 keyspace,dangerous
  expire -3 write,fast 1 1 1 keyspace
  pexpire -3 write,fast 1 1 1 keyspace
  expireat -3 write,fast 1 1 1 keyspace
  pexpireat -3 write,fast 1 1 1 keyspace
  ttl 2 readonly,fast 1 1 1 keyspace
  pttl 2 readonly,fast 1 1 1 keyspace
  expiretime 2 readonly,fast 1 1 1 keyspace
  pexpiretime 2 readonly,fast 1 1 1 keyspace
  persist 2 write,fast 1 1 1 keyspace
  sort -2 write,denyoom,movablekeys 1 1 1 set,sortedset,list,dangerous
  sort_ro -2 readonly,movablekeys 1 1 1 set,sortedset,list,dangerous
  // string
  get 2 readonly,fast 1 1 1 string
  set -3 write,denyoom 1 1 1 string
  setnx 3 write,denyoom,fast 1 1 1 string
  setex 4 write,denyoom 1 1 1 string
  psetex 4 write,denyoom 1 1 1 string
  getset 3 write,denyoom,fast 1 1 1 string
  getdel 2 write,fast 1 1 1 string
  getex -2 write,fast 1 1 1 string
  append 3 write,denyoom,fast 1 1 1 string
  strlen 2 readonly,fast 1 1 1 string
  setrange 4 write,denyoom 1 1 1 string
  getrange 4 readonly 1 1 1 string
  substr 4 readonly 1 1 1 string
  incr 2 write,denyoom,fast 1 1 1 string
  decr 2 write,denyoom,fast 1 1 1 string
  incrby 3 write,denyoom,fast 1 1 1 string
  decrby 3 write,denyoom,fast 1 1 1 string
  incrbyfloat 3 write,denyoom,fast 1 1 1 string
  mget -2 readonly,fast 1 -1 1 string
  mset -3 write,denyoom 1 -1 2 string
  msetnx -3 write,denyoom 1 -1 2 string
  lcs -3 readonly 1 2 1 string
  // bitmap
  setbit 4 write,denyoom 1 1 1 bitmap
  getbit 3 readonly,fast 1 1 1 bitmap
  bitcount -2 readonly 1 1 1 bitmap
  bitpos -3 readonly 1 1 1 bitmap
  bitop -4 write,denyoom 2 -1 1 bitmap
  bitfield -2 write,denyoom 1 1 1 bitmap
  bitfield_ro -2 readonly,fast 1 1 1 bitmap
  // hash
  hset -4 write,denyoom,fast 1 1 1 hash
  hmset -4 write,denyoom,fast 1 1 1 hash
  hsetnx 4 write,denyoom,fast 1 1 1 hash
  hget 3 readonly,fast 1 1 1 hash
  hmget -3 readonly,fast 1 1 1 hash
  hgetall 2 readonly 1 1 1 hash
  hdel -3 write,fast 1 1 1 hash
  hlen 2 readonly,fast 1 1 1 hash
  hstrlen 3 readonly,fast 1 1 1 hash
  hexists 3 readonly,fast 1 1 1 hash
  hkeys 2 readonly 1 1 1 hash
  hvals 2 readonly 1 1 1 hash
  hincrby 4 write,denyoom,fast 1 1 1 hash
  hincrbyfloat 4 write,denyoom,fast 1 1 1 hash
  hscan -3 readonly 1 1 1 hash
  hrandfield -2 readonly 1 1 1 hash
  // list
  lpush -3 write,denyoom,fast 1 1 1 list
  rpush -3 write,denyoom,fast 1 1 1 list
  lpushx -3 write,denyoom,fast 1 1 1 list
  rpushx -3 write,denyoom,fast 1 1 1 list
  lpop -2 write,fast 1 1 1 list
  rpop -2 write,fast 1 1 1 list
  llen 2 readonly,fast 1 1 1 list
  lindex 3 readonly 1 1 1 list
  lset 4 write,denyoom 1 1 1 list
  lrange 4 readonly 1 1 1 list
  ltrim 4 write 1 1 1 list
  lrem 4 write 1 1 1 list
  linsert 5 write,denyoom 1 1 1 list
  lpos -3 readonly 1 1 1 list
  lmove 5 write,denyoom 1 2 1 list
  rpoplpush 3 write,denyoom 1 2 1 list
  lmpop -4 write,movablekeys 0 0 0 list
  blpop -3 write,noscript,blocking 1 -2 1 list
  brpop -3 write,noscript,blocking 1 -2 1 list
  blmove 6 write,denyoom,noscript,blocking 1 2 1 list
  brpoplpush 4 write,denyoom,noscript,blocking 1 2 1 list
  blmpop -5 write,blocking,movablekeys 0 0 0 list
  // set
  sadd -3 write,denyoom,fast 1 1 1 set
  srem -3 write,fast 1 1 1 set
  scard 2 readonly,fast 1 1 1 set
  sismember 3 readonly,fast 1 1 1 set
  smismember -3 readonly,fast 1 1 1 set
  smembers 2 readonly 1 1 1 set
  spop -2 write,fast 1 1 1 set
  srandmember -2 readonly 1 1 1 set
  smove 4 write,fast 1 2 1 set
  sinter -2 readonly 1 -1 1 set
  sunion -2 readonly 1 -1 1 set
  sdiff -2 readonly 1 -1 1 set
  sinterstore -3 write,denyoom 1 -1 1 set
  sunionstore -3 write,denyoom 1 -1 1 set
  sdiffstore -3 write,denyoom 1 -1 1 set
  sintercard -3 readonly,movablekeys 0 0 0 set
  sscan -3 readonly 1 1 1 set
  // sorted_set
  zadd -4 write,denyoom,fast 1 1 1 sortedset
  zincrby 4 write,denyoom,fast 1 1 1 sortedset
  zrem -3 write,fast 1 1 1 sortedset
  zcard 2 readonly,fast 1 1 1 sortedset
  zscore 3 readonly,fast 1 1 1 sortedset
  zmscore -3 readonly,fast 1 1 1 sortedset
  zcount 4 readonly,fast 1 1 1 sortedset
  zlexcount 4 readonly,fast 1 1 1 sortedset
  zrank 3 readonly,fast 1 1 1 sortedset
  zrevrank 3 readonly,fast 1 1 1 sortedset
  zrange -4 readonly 1 1 1 sortedset
  zrevrange -4 readonly 1 1 1 sortedset
  zrangebyscore -4 readonly 1 1 1 sortedset
  zrevrangebyscore -4 readonly 1 1 1 sortedset
  zrangebylex -4 readonly 1 1 1 sortedset
  zrevrangebylex -4 readonly 1 1 1 sortedset
  zrangestore -5 write,denyoom 1 2 1 sortedset
  zremrangebyrank 4 write 1 1 1 sortedset
  zremrangebyscore 4 write 1 1 1 sortedset
  zremrangebylex 4 write 1 1 1 sortedset
  zpopmin -2 write,fast 1 1 1 sortedset
  zpopmax -2 write,fast 1 1 1 sortedset
  bzpopmin -3 write,noscript,fast,blocking 1 -2 1 sortedset
  bzpopmax -3 write,noscript,fast,blocking 1 -2 1 sortedset
  zmpop -4 write,movablekeys 0 0 0 sortedset
  bzmpop -5 write,blocking,movablekeys 0 0 0 sortedset
  zunion -3 readonly,movablekeys 0 0 0 sortedset
  zinter -3 readonly,movablekeys 0 0 0 sortedset
  zdiff -3 readonly,movablekeys 0 0 0 sortedset
  zunionstore -4 write,denyoom,movablekeys 1 1 1 sortedset
  zinterstore -4 write,denyoom,movablekeys 1 1 1 sortedset
  zdiffstore -4 write,denyoom,movablekeys 1 1 1 sortedset
  zintercard -3 readonly,movablekeys 0 0 0 sortedset
  zrandmember -2 readonly 1 1 1 sortedset
  zscan -3 readonly 1 1 1 sortedset
  // transactions
  multi 1 noscript,loading,stale,fast,allow_busy 0 0 0 transaction
  exec 1 noscript,loading,stale,skip_slowlog 0 0 0 transaction
  discard 1 noscript,loading,stale,fast,allow_busy 0 0 0 transaction
  watch -2 noscript,loading,stale,fast,allow_busy 1 -1 1 transaction
  unwatch 1 noscript,loading,stale,fast,allow_busy 0 0 0 transaction
  // pubsub
  subscribe -2 pubsub,noscript,loading,stale 0 0 0 -
  unsubscribe -1 pubsub,noscript,loading,stale 0 0 0 -
  psubscribe -2 pubsub,noscript,loading,stale 0 0 0 -
  punsubscribe -1 pubsub,noscript,loading,stale 0 0 0 -
  ssubscribe -2 pubsub,noscript,loading,stale 1 -1 1 -
  sunsubscribe -1 pubsub,noscript,loading,stale 1 -1 1 -
  publish 3 pubsub,loading,stale,fast,may_replicate 0 0 0 -
  spublish 3 pubsub,loading,stale,fast,may_replicate 1 1 1 -
  pubsub -2 - 0 0 0 -
  pubsub|channels -2 pubsub,loading,stale 0 0 0 -
  pubsub|numsub -2 pubsub,loading,stale 0 0 0 -
  pubsub|numpat 2 pubsub,loading,stale 0 0 0 -
  pubsub|shardchannels -2 pubsub,loading,stale 0 0 0 -
  pubsub|shardnumsub -2 pubsub,loading,stale 0 0 0 -
  // server
  time 1 loading,stale,fast 0 0 0 -
  // stream
  xadd -5 write,denyoom,fast 1 1 1 stream
  xlen 2 readonly,fast 1 1 1 stream
  xrange -4 readonly 1 1 1 stream
  xrevrange -4 readonly 1 1 1 stream
  xdel -3 write,fast 1 1 1 stream
  xtrim -4 write 1 1 1 stream
  xread -4 blocking,readonly,blocking,movablekeys 0 0 0 stream
  xreadgroup -7 blocking,write,movablekeys 0 0 0 stream
  xack -4 write,fast 1 1 1 stream
  xpending -3 readonly 1 1 1 stream
  xclaim -6 write,fast 1 1 1 stream
  xautoclaim -6 write,fast 1 1 1 stream
  xsetid -3 write,denyoom,fast 1 1 1 stream
  xgroup -2 - 0 0 0 -
  xgroup|create -5 write,denyoom 2 2 1 stream
  xgroup|createconsumer 5 write,denyoom 2 2 1 stream
  xgroup|delconsumer 5 write 2 2 1 stream
  xgroup|destroy 4 write 2 2 1 stream
  xgroup|setid -5 write 2 2 1 stream
  xinfo -2 - 0 0 0 -
  xinfo|stream -3 readonly 2 2 1 stream
  xinfo|groups 3 readonly 2 2 1 stream
  xinfo|consumers 4 readonly 2 2 1 stream
  // hyperloglog
  pfadd -2 write,denyoom,fast 1 1 1 hyperloglog
  pfcount -2 readonly,may_replicate 1 -1 1 hyperloglog
  pfmerge -2 write,denyoom 1 -1 1 hyperloglog
  // geo
  geoadd -5 write,denyoom 1 1 1 geo
  geopos -2 readonly 1 1 1 geo
  geodist -4 readonly 1 1 1 geo
  geohash -2 readonly 1 1 1 geo
  georadius -6 write,denyoom,movablekeys 1 1 1 geo
  georadius_ro -6 readonly 1 1 1 geo
  georadiusbymember -5 write,denyoom,movablekeys 1 1 1 geo
  georadiusbymember_ro -5 readonly 1 1 1 geo
  geosearch -7 readonly 1 1 1 geo
  geosearchstore -8 write,denyoom 1 2 1 geo
`

/** What is known of a command beside its handler. */
export interface CommandSpec {
  /** In lower case, subcommands as `container|name`. */
  readonly name: string
  readonly arity: number
  readonly flags: ReadonlySet<string>
  readonly firstKey: number
  readonly lastKey: number
  readonly step: number
  /** ACL categories without the @. */
  readonly categories: readonly string[]
}

/** A command with its subcommands by name. */
export interface CommandInfo extends CommandSpec {
  readonly subcommands: ReadonlyMap<string, CommandInfo>
}

/** All specs by name. */
export const COMMAND_SPECS: ReadonlyMap<string, CommandSpec> = new Map(
  SPECS.split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('//'))
    .map(parseSpec)
    .map((spec) => [spec.name, spec]),
)

function parseSpec(line: string): CommandSpec {
  const [name = '', arity, flagList = '', firstKey, lastKey, step, categoryList = ''] = line.split(' ')
  const flags = new Set(words(flagList))
  return {
    name,
    arity: Number(arity),
    flags,
    firstKey: Number(firstKey),
    lastKey: Number(lastKey),
    step: Number(step),
    categories: [...words(categoryList), ...impliedCategories(flags)],
  }
}

/** The categories that follow from flags (server.c, setImplicitACLCategories). */
function impliedCategories(flags: ReadonlySet<string>): string[] {
  const implied: string[] = []
  if (flags.has('write')) implied.push('write')
  if (flags.has('readonly')) implied.push('read')
  if (flags.has('admin')) implied.push('admin', 'dangerous')
  if (flags.has('pubsub')) implied.push('pubsub')
  if (flags.has('blocking')) implied.push('blocking')
  implied.push(flags.has('fast') ? 'fast' : 'slow')
  return implied
}

function words(list: string): string[] {
  return list === '-' ? [] : list.split(',')
}
