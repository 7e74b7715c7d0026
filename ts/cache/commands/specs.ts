// Every command that the engine has, with what COMMAND tells of it in Redis 7.0. Facts alone, in a form of their own; where they come
// from, and how they are checked, says docs/decisions/0010-facts-of-redis.md.
//
//   @category                            of all commands below, beside those that follow from flags; @ for none
//   name arity keys flags [+category]    with further categories
//
// Arity counts the name; a negative one is a minimum. Keys are arguments: `1`, `1..2`, `1..-1` to the last one, `1..-1/2` every
// second one. `-` stands for none. Subcommands are written `container|name`, behind their container.

const TABLE = `
  @
    client -2 - -
    object -2 - -
    sort -2 1 write,denyoom,movablekeys +set,sortedset,list,dangerous
    sort_ro -2 1 readonly,movablekeys +set,sortedset,list,dangerous
    subscribe -2 - pubsub,noscript,loading,stale
    unsubscribe -1 - pubsub,noscript,loading,stale
    psubscribe -2 - pubsub,noscript,loading,stale
    punsubscribe -1 - pubsub,noscript,loading,stale
    ssubscribe -2 1..-1 pubsub,noscript,loading,stale
    sunsubscribe -1 1..-1 pubsub,noscript,loading,stale
    publish 3 - pubsub,loading,stale,fast
    spublish 3 1 pubsub,loading,stale,fast
    pubsub -2 - -
    pubsub|channels -2 - pubsub,loading,stale
    pubsub|numsub -2 - pubsub,loading,stale
    pubsub|numpat 2 - pubsub,loading,stale
    pubsub|help 2 - loading,stale
    pubsub|shardchannels -2 - pubsub,loading,stale
    pubsub|shardnumsub -2 - pubsub,loading,stale
    time 1 - loading,stale,fast
    info -1 - loading,stale +dangerous
    config -2 - -
    config|get -3 - admin,noscript,loading,stale
    config|set -4 - admin,noscript,loading,stale
    config|help 2 - loading,stale
    config|resetstat 2 - admin,noscript,loading,stale
    save 1 - admin,noscript,no_async_loading,no_multi
    bgsave -1 - admin,noscript,no_async_loading
    bgrewriteaof 1 - admin,noscript,no_async_loading
    lastsave 1 - loading,stale,fast +admin,dangerous
    shutdown -1 - admin,noscript,loading,stale,no_multi,allow_busy
    xgroup -2 - -
    xinfo -2 - -
    cluster -2 - -
    cluster|keyslot 3 - stale
    cluster|countkeysinslot 3 - stale
    cluster|getkeysinslot 4 - stale
    cluster|help 2 - loading,stale
    cluster|info 2 - stale
    cluster|links 2 - stale
    cluster|myid 2 - stale
    cluster|nodes 2 - stale
    cluster|shards 2 - stale
    cluster|slots 2 - stale
    cluster|replicas 3 - admin,stale
    cluster|slaves 3 - admin,stale
    cluster|count-failure-reports 3 - admin,stale
    cluster|addslots -3 - admin,stale,no_async_loading
    cluster|addslotsrange -4 - admin,stale,no_async_loading
    cluster|bumpepoch 2 - admin,stale,no_async_loading
    cluster|delslots -3 - admin,stale,no_async_loading
    cluster|delslotsrange -4 - admin,stale,no_async_loading
    cluster|failover -2 - admin,stale,no_async_loading
    cluster|flushslots 2 - admin,stale,no_async_loading
    cluster|forget 3 - admin,stale,no_async_loading
    cluster|meet -4 - admin,stale,no_async_loading
    cluster|replicate 3 - admin,stale,no_async_loading
    cluster|reset -2 - admin,noscript,stale
    cluster|saveconfig 2 - admin,stale,no_async_loading
    cluster|set-config-epoch 3 - admin,stale,no_async_loading
    cluster|setslot -4 - admin,stale,no_async_loading
    memory -2 - -
    memory|doctor 2 - -
    memory|help 2 - loading,stale
    memory|malloc-stats 2 - -
    memory|purge 2 - -
    memory|stats 2 - -
    memory|usage -3 2 readonly
    slowlog -2 - -
    slowlog|get -2 - admin,loading,stale
    slowlog|help 2 - loading,stale
    slowlog|len 2 - admin,loading,stale
    slowlog|reset 2 - admin,loading,stale
    latency -2 - -
    latency|doctor 2 - admin,noscript,loading,stale
    latency|graph 3 - admin,noscript,loading,stale
    latency|help 2 - loading,stale
    latency|histogram -2 - admin,noscript,loading,stale
    latency|history 3 - admin,noscript,loading,stale
    latency|latest 2 - admin,noscript,loading,stale
    latency|reset -2 - admin,noscript,loading,stale
    debug -2 - admin,noscript,loading,stale
    monitor 1 - admin,noscript,loading,stale
    module -2 - -
    module|help 2 - loading,stale
    module|list 2 - admin,noscript
    module|load -3 - admin,noscript,no_async_loading
    module|loadex -3 - admin,noscript,no_async_loading
    module|unload 3 - admin,noscript,no_async_loading
    lolwut -1 - readonly,fast
    acl -2 - -
    acl|cat -2 - noscript,loading,stale
    acl|deluser -3 - admin,noscript,loading,stale
    acl|dryrun -4 - admin,noscript,loading,stale
    acl|genpass -2 - noscript,loading,stale
    acl|getuser 3 - admin,noscript,loading,stale
    acl|help 2 - loading,stale
    acl|list 2 - admin,noscript,loading,stale
    acl|load 2 - admin,noscript,loading,stale
    acl|log -2 - admin,noscript,loading,stale
    acl|save 2 - admin,noscript,loading,stale
    acl|setuser -3 - admin,noscript,loading,stale
    acl|users 2 - admin,noscript,loading,stale
    acl|whoami 2 - noscript,loading,stale
    bedplate.evictions 2 - noscript,loading,stale,fast
    replicaof 3 - admin,noscript,stale,no_async_loading
    slaveof 3 - admin,noscript,stale,no_async_loading
    failover -1 - admin,noscript,stale
    role 1 - noscript,loading,stale,fast +admin,dangerous
    psync -3 - admin,noscript,no_async_loading,no_multi
    sync 1 - admin,noscript,no_async_loading,no_multi
    replconf -1 - admin,noscript,loading,stale,allow_busy
  @connection
    auth -2 - noscript,loading,stale,fast,no_auth,allow_busy
    ping -1 - fast
    echo 2 - loading,stale,fast
    hello -1 - noscript,loading,stale,fast,no_auth,allow_busy
    quit -1 - allow_busy,noscript,loading,stale,fast,no_auth
    reset 1 - noscript,loading,stale,fast,no_auth,allow_busy
    select 2 - loading,stale,fast
    asking 1 - fast
    wait 3 - noscript
    readonly 1 - loading,stale,fast
    readwrite 1 - loading,stale,fast
    client|help 2 - loading,stale
    client|id 2 - noscript,loading,stale
    client|getname 2 - noscript,loading,stale
    client|setname 3 - noscript,loading,stale
    client|unblock -3 - admin,noscript,loading,stale
    client|reply 3 - noscript,loading,stale
    client|info 2 - noscript,loading,stale
    client|list -2 - admin,noscript,loading,stale
    client|kill -3 - admin,noscript,loading,stale
    client|pause -3 - admin,noscript,loading,stale
    client|unpause 2 - admin,noscript,loading,stale
    client|no-evict 3 - admin,noscript,loading,stale
    client|tracking -3 - noscript,loading,stale
    client|caching 3 - noscript,loading,stale
    client|getredir 2 - noscript,loading,stale
    client|trackinginfo 2 - noscript,loading,stale
    command -1 - loading,stale
    command|count 2 - loading,stale
    command|info -2 - loading,stale
    command|list -2 - loading,stale
    command|getkeys -4 - loading,stale
    command|getkeysandflags -4 - loading,stale
    command|help 2 - loading,stale
    command|docs -2 - loading,stale
  @keyspace
    del -2 1..-1 write
    unlink -2 1..-1 write,fast
    exists -2 1..-1 readonly,fast
    type 2 1 readonly,fast
    keys 2 - readonly +dangerous
    scan -2 - readonly
    randomkey 1 - readonly
    rename 3 1..2 write
    renamenx 3 1..2 write,fast
    copy -3 1..2 write,denyoom
    touch -2 1..-1 readonly,fast
    object|encoding 3 2 readonly
    object|freq 3 2 readonly
    object|idletime 3 2 readonly
    object|refcount 3 2 readonly
    object|help 2 - loading,stale
    dbsize 1 - readonly,fast
    swapdb 3 - write,fast +dangerous
    move 3 1 write,fast
    flushdb -1 - write +dangerous
    flushall -1 - write +dangerous
    expire -3 1 write,fast
    pexpire -3 1 write,fast
    expireat -3 1 write,fast
    pexpireat -3 1 write,fast
    ttl 2 1 readonly,fast
    pttl 2 1 readonly,fast
    expiretime 2 1 readonly,fast
    pexpiretime 2 1 readonly,fast
    persist 2 1 write,fast
    dump 2 1 readonly
    restore -4 1 write,denyoom +dangerous
    restore-asking -4 1 write,denyoom,asking +dangerous
    migrate -6 3 write,movablekeys +dangerous
  @string
    get 2 1 readonly,fast
    set -3 1 write,denyoom
    setnx 3 1 write,denyoom,fast
    setex 4 1 write,denyoom
    psetex 4 1 write,denyoom
    getset 3 1 write,denyoom,fast
    getdel 2 1 write,fast
    getex -2 1 write,fast
    append 3 1 write,denyoom,fast
    strlen 2 1 readonly,fast
    setrange 4 1 write,denyoom
    getrange 4 1 readonly
    substr 4 1 readonly
    incr 2 1 write,denyoom,fast
    decr 2 1 write,denyoom,fast
    incrby 3 1 write,denyoom,fast
    decrby 3 1 write,denyoom,fast
    incrbyfloat 3 1 write,denyoom,fast
    mget -2 1..-1 readonly,fast
    mset -3 1..-1/2 write,denyoom
    msetnx -3 1..-1/2 write,denyoom
    lcs -3 1..2 readonly
  @bitmap
    setbit 4 1 write,denyoom
    getbit 3 1 readonly,fast
    bitcount -2 1 readonly
    bitpos -3 1 readonly
    bitop -4 2..-1 write,denyoom
    bitfield -2 1 write,denyoom
    bitfield_ro -2 1 readonly,fast
  @hash
    hset -4 1 write,denyoom,fast
    hmset -4 1 write,denyoom,fast
    hsetnx 4 1 write,denyoom,fast
    hget 3 1 readonly,fast
    hmget -3 1 readonly,fast
    hgetall 2 1 readonly
    hdel -3 1 write,fast
    hlen 2 1 readonly,fast
    hstrlen 3 1 readonly,fast
    hexists 3 1 readonly,fast
    hkeys 2 1 readonly
    hvals 2 1 readonly
    hincrby 4 1 write,denyoom,fast
    hincrbyfloat 4 1 write,denyoom,fast
    hscan -3 1 readonly
    hrandfield -2 1 readonly
  @list
    lpush -3 1 write,denyoom,fast
    rpush -3 1 write,denyoom,fast
    lpushx -3 1 write,denyoom,fast
    rpushx -3 1 write,denyoom,fast
    lpop -2 1 write,fast
    rpop -2 1 write,fast
    llen 2 1 readonly,fast
    lindex 3 1 readonly
    lset 4 1 write,denyoom
    lrange 4 1 readonly
    ltrim 4 1 write
    lrem 4 1 write
    linsert 5 1 write,denyoom
    lpos -3 1 readonly
    lmove 5 1..2 write,denyoom
    rpoplpush 3 1..2 write,denyoom
    lmpop -4 - write,movablekeys
    blpop -3 1..-2 write,noscript,blocking
    brpop -3 1..-2 write,noscript,blocking
    blmove 6 1..2 write,denyoom,noscript,blocking
    brpoplpush 4 1..2 write,denyoom,noscript,blocking
    blmpop -5 - write,blocking,movablekeys
  @set
    sadd -3 1 write,denyoom,fast
    srem -3 1 write,fast
    scard 2 1 readonly,fast
    sismember 3 1 readonly,fast
    smismember -3 1 readonly,fast
    smembers 2 1 readonly
    spop -2 1 write,fast
    srandmember -2 1 readonly
    smove 4 1..2 write,fast
    sinter -2 1..-1 readonly
    sunion -2 1..-1 readonly
    sdiff -2 1..-1 readonly
    sinterstore -3 1..-1 write,denyoom
    sunionstore -3 1..-1 write,denyoom
    sdiffstore -3 1..-1 write,denyoom
    sintercard -3 - readonly,movablekeys
    sscan -3 1 readonly
  @sortedset
    zadd -4 1 write,denyoom,fast
    zincrby 4 1 write,denyoom,fast
    zrem -3 1 write,fast
    zcard 2 1 readonly,fast
    zscore 3 1 readonly,fast
    zmscore -3 1 readonly,fast
    zcount 4 1 readonly,fast
    zlexcount 4 1 readonly,fast
    zrank 3 1 readonly,fast
    zrevrank 3 1 readonly,fast
    zrange -4 1 readonly
    zrevrange -4 1 readonly
    zrangebyscore -4 1 readonly
    zrevrangebyscore -4 1 readonly
    zrangebylex -4 1 readonly
    zrevrangebylex -4 1 readonly
    zrangestore -5 1..2 write,denyoom
    zremrangebyrank 4 1 write
    zremrangebyscore 4 1 write
    zremrangebylex 4 1 write
    zpopmin -2 1 write,fast
    zpopmax -2 1 write,fast
    bzpopmin -3 1..-2 write,noscript,fast,blocking
    bzpopmax -3 1..-2 write,noscript,fast,blocking
    zmpop -4 - write,movablekeys
    bzmpop -5 - write,blocking,movablekeys
    zunion -3 - readonly,movablekeys
    zinter -3 - readonly,movablekeys
    zdiff -3 - readonly,movablekeys
    zunionstore -4 1 write,denyoom,movablekeys
    zinterstore -4 1 write,denyoom,movablekeys
    zdiffstore -4 1 write,denyoom,movablekeys
    zintercard -3 - readonly,movablekeys
    zrandmember -2 1 readonly
    zscan -3 1 readonly
  @transaction
    multi 1 - noscript,loading,stale,fast,allow_busy
    exec 1 - noscript,loading,stale,skip_slowlog
    discard 1 - noscript,loading,stale,fast,allow_busy
    watch -2 1..-1 noscript,loading,stale,fast,allow_busy
    unwatch 1 - noscript,loading,stale,fast,allow_busy
  @
    script -2 - -
    function -2 - -
  @scripting
    eval -3 - noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    evalsha -3 - noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    eval_ro -3 - readonly,noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    evalsha_ro -3 - readonly,noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    script|exists -3 - noscript
    script|debug 3 - noscript
    script|flush -2 - noscript
    script|kill 2 - noscript,allow_busy
    script|load 3 - noscript,stale
    script|help 2 - loading,stale
    fcall -3 - noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    fcall_ro -3 - readonly,noscript,stale,skip_monitor,no_mandatory_keys,movablekeys
    function|flush -2 - write,noscript
    function|delete 3 - write,noscript
    function|list -2 - noscript
    function|restore -3 - write,denyoom,noscript
    function|dump 2 - noscript
    function|kill 2 - noscript,allow_busy
    function|help 2 - loading,stale
    function|load -3 - write,denyoom,noscript
    function|stats 2 - noscript,allow_busy
  @stream
    xadd -5 1 write,denyoom,fast
    xlen 2 1 readonly,fast
    xrange -4 1 readonly
    xrevrange -4 1 readonly
    xdel -3 1 write,fast
    xtrim -4 1 write
    xread -4 - blocking,readonly,movablekeys
    xreadgroup -7 - blocking,write,movablekeys
    xack -4 1 write,fast
    xpending -3 1 readonly
    xclaim -6 1 write,fast
    xautoclaim -6 1 write,fast
    xsetid -3 1 write,denyoom,fast
    xgroup|help 2 - loading,stale
    xinfo|help 2 - loading,stale
    xgroup|create -5 2 write,denyoom
    xgroup|createconsumer 5 2 write,denyoom
    xgroup|delconsumer 5 2 write
    xgroup|destroy 4 2 write
    xgroup|setid -5 2 write
    xinfo|stream -3 2 readonly
    xinfo|groups 3 2 readonly
    xinfo|consumers 4 2 readonly
  @hyperloglog
    pfadd -2 1 write,denyoom,fast
    pfcount -2 1..-1 readonly
    pfmerge -2 1..-1 write,denyoom
    pfdebug 3 2 write,denyoom,admin
    pfselftest 1 - admin
  @geo
    geoadd -5 1 write,denyoom
    geopos -2 1 readonly
    geodist -4 1 readonly
    geohash -2 1 readonly
    georadius -6 1 write,denyoom,movablekeys
    georadius_ro -6 1 readonly
    georadiusbymember -5 1 write,denyoom,movablekeys
    georadiusbymember_ro -5 1 readonly
    geosearch -7 1 readonly
    geosearchstore -8 1..2 write,denyoom
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
export const COMMAND_SPECS: ReadonlyMap<string, CommandSpec> = readTable()

function readTable(): Map<string, CommandSpec> {
  const specs = new Map<string, CommandSpec>()
  let category = ''
  for (const line of TABLE.trim().split('\n')) {
    const text = line.trim()
    if (text.startsWith('@')) category = text.slice(1)
    else {
      const spec = readSpec(text, category)
      specs.set(spec.name, spec)
    }
  }
  return specs
}

function readSpec(line: string, category: string): CommandSpec {
  const [name = '', arity, keys = '-', flagList = '-', more = '+'] = line.split(' ')
  const flags = new Set(words(flagList))
  const categories = [category, ...words(more.slice(1)), ...impliedCategories(flags, category)].filter(
    (each) => each !== '',
  )
  return { name, arity: Number(arity), flags, ...readKeys(keys), categories }
}

function readKeys(text: string): Pick<CommandSpec, 'firstKey' | 'lastKey' | 'step'> {
  if (text === '-') return { firstKey: 0, lastKey: 0, step: 0 }
  const [range = '', step = '1'] = text.split('/')
  const [first, last = first] = range.split('..')
  return { firstKey: Number(first), lastKey: Number(last), step: Number(step) }
}

/** The categories that follow from flags (server.c, setImplicitACLCategories). */
function impliedCategories(flags: ReadonlySet<string>, category: string): string[] {
  const implied: string[] = []
  if (flags.has('write')) implied.push('write')
  if (flags.has('readonly') && category !== 'scripting') implied.push('read')
  if (flags.has('admin')) implied.push('admin', 'dangerous')
  if (flags.has('pubsub')) implied.push('pubsub')
  if (flags.has('blocking')) implied.push('blocking')
  implied.push(flags.has('fast') ? 'fast' : 'slow')
  return implied
}

function words(list: string): string[] {
  return list === '-' || list === '' ? [] : list.split(',')
}
