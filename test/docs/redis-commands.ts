// Every command of Redis 7.0.15 (COMMAND LIST, compared in test/external/redis-commands.test.ts), and what is to be said of those that are
// not here, or not whole.

export const REDIS_COMMANDS: readonly string[] = `
  acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|load acl|log acl|save acl|setuser acl|users
  acl|whoami append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
  brpoplpush bzmpop bzpopmax bzpopmin client|caching client|getname client|getredir client|help client|id client|info
  client|kill client|list client|no-evict client|pause client|reply client|setname client|tracking client|trackinginfo
  client|unblock client|unpause cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports
  cluster|countkeysinslot cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget
  cluster|getkeysinslot cluster|help cluster|info cluster|keyslot cluster|links cluster|meet cluster|myid cluster|nodes
  cluster|replicas cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot cluster|shards
  cluster|slaves cluster|slots command|count command|docs command|getkeys command|getkeysandflags command|help command|info
  command|list config|get config|help config|resetstat config|rewrite config|set copy dbsize debug decr decrby del discard
  dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro flushall flushdb
  function|delete function|dump function|flush function|help function|kill function|list function|load function|restore
  function|stats geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch
  geosearchstore get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget
  hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave latency|doctor latency|graph
  latency|help latency|histogram latency|history latency|latest latency|reset lcs lindex linsert llen lmove lmpop lolwut lpop
  lpos lpush lpushx lrange lrem lset ltrim memory|doctor memory|help memory|malloc-stats memory|purge memory|stats
  memory|usage mget migrate module|help module|list module|load module|loadex module|unload monitor move mset msetnx multi
  object|encoding object|freq object|help object|idletime object|refcount persist pexpire pexpireat pexpiretime pfadd pfcount
  pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub|channels pubsub|help pubsub|numpat pubsub|numsub
  pubsub|shardchannels pubsub|shardnumsub punsubscribe quit randomkey readonly readwrite rename renamenx replconf replicaof
  reset restore restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script|debug script|exists script|flush
  script|help script|kill script|load sdiff sdiffstore select set setbit setex setnx setrange shutdown sinter sintercard
  sinterstore sismember slaveof slowlog|get slowlog|help slowlog|len slowlog|reset smembers smismember smove sort sort_ro spop
  spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion sunionstore sunsubscribe swapdb sync time touch
  ttl type unlink unsubscribe unwatch wait watch xack xadd xautoclaim xclaim xdel xgroup|create xgroup|createconsumer
  xgroup|delconsumer xgroup|destroy xgroup|help xgroup|setid xinfo|consumers xinfo|groups xinfo|help xinfo|stream xlen
  xpending xrange xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard
  zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem
  zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion
  zunionstore
`
  .trim()
  .split(/\s+/)

/** What of a command is missing or otherwise; the name of a container stands for its subcommands. */
export const PARTIAL: Readonly<Record<string, string>> = {
  'acl|setuser': 'sanitize-payload is kept and has no effect: every payload is checked',
  'client|kill': 'MAXAGE came after 7.0',
  'client|list': 'buffers that there are not are told as 0',
  'cluster|links': 'our connections alone, not those that other nodes have opened',
  'command|docs': 'empty',
  'command|info': 'no tips',
  'config|get': 'the settings that mean something here',
  'config|set': 'the settings that mean something here',
  debug: 'what looks into structures of Redis tells little; what would crash is not there',
  lolwut: 'no pictures',
  'module|load': 'refused, as LOADEX and UNLOAD: modules are machine code for Redis itself',
  flushall: 'SYNC and ASYNC are the same',
  flushdb: 'SYNC and ASYNC are the same',
  info: 'the sections and lines that mean something here',
  'latency|doctor': 'few words',
  'latency|histogram': 'no calls that were refused',
  'memory|doctor': 'few words',
  'memory|malloc-stats': 'there is no such allocator',
  'memory|purge': 'does nothing: V8 collects by itself',
  'memory|stats': 'what V8 can tell: no fragmentation, no overheads',
  migrate: 'not in transactions and scripts',
  'object|refcount': 'does not know which small numbers are copies',
  'slowlog|get': 'a transaction is one entry, EXEC',
}

/** Why a command is not here. */
export const ABSENT: Readonly<Record<string, string>> = {
  'config|rewrite': 'settings come from flags, environment and a file that the server does not write',
}
