// HELP of containers that other files serve, and what there is of MODULE and LOLWUT.
import type { Handlers } from './call.ts'
import { fail } from './errors.ts'
import { help } from './help.ts'

const NO_MODULES = 'ERR modules are machine code for Redis itself: this server takes none'

export const HELP_COMMANDS: Handlers = {
  'client|help': help('CLIENT', {
    'CACHING (YES|NO)': 'Whether the keys of the next command are tracked, with OPTIN or OPTOUT.',
    GETNAME: 'The name of this connection.',
    GETREDIR: 'Who is told in its place that keys changed.',
    ID: 'The number of this connection.',
    INFO: 'What LIST tells of this connection.',
    'KILL <ip:port>': 'Closes a connection.',
    'KILL <option> <value> [...]': 'Closes those that fit all of ID, ADDR, LADDR, TYPE, USER; SKIPME (YES|NO).',
    'LIST [TYPE <type>|ID <id> [...]]': 'All connections.',
    'NO-EVICT (ON|OFF)': 'Keeps this connection from being closed for its memory.',
    'PAUSE <timeout> [WRITE|ALL]': 'Holds commands back for so many milliseconds.',
    'REPLY (ON|OFF|SKIP)': 'Whether this connection is answered.',
    'SETNAME <name>': 'Names this connection.',
    'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix>] [OPTIN] [OPTOUT] [NOLOOP]':
      'Whether it is told when keys change that it has read.',
    TRACKINGINFO: 'How they are tracked.',
    'UNBLOCK <clientid> [TIMEOUT|ERROR]': 'Ends the waiting of a connection.',
    UNPAUSE: 'Ends PAUSE.',
  }),

  'config|help': help('CONFIG', {
    'GET <pattern> [<pattern> ...]': 'Settings and their values.',
    RESETSTAT: 'Sets figures of INFO to zero.',
    'SET <setting> <value> [...]': 'Changes settings, all of them or none.',
  }),

  'pubsub|help': help('PUBSUB', {
    'CHANNELS [<pattern>]': 'Channels that somebody listens to.',
    NUMPAT: 'How many patterns are listened to.',
    'NUMSUB [<channel> ...]': 'How many listen to each of these channels.',
    'SHARDCHANNELS [<pattern>]': 'The same as CHANNELS of sharded channels.',
    'SHARDNUMSUB [<channel> ...]': 'The same as NUMSUB of sharded channels.',
  }),

  'xgroup|help': help('XGROUP', {
    'CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]': 'Makes a group, and the stream if it is told to.',
    'CREATECONSUMER <key> <group> <consumer>': 'Makes a consumer.',
    'DELCONSUMER <key> <group> <consumer>': 'Deletes a consumer and what it has not acknowledged.',
    'DESTROY <key> <group>': 'Deletes a group.',
    'SETID <key> <group> <id|$> [ENTRIESREAD <count>]': 'Sets what a group was given last.',
  }),

  'xinfo|help': help('XINFO', {
    'CONSUMERS <key> <group>': 'The consumers of a group.',
    'GROUPS <key>': 'The groups of a stream.',
    'STREAM <key> [FULL [COUNT <count>]]': 'A stream, with FULL its entries and groups.',
  }),

  'module|help': help('MODULE', { LIST: 'Nothing: this server takes no modules.' }),
  'module|list': ({ reply }) => reply.array(0),
  'module|load': () => fail(NO_MODULES),
  'module|loadex': () => fail(NO_MODULES),
  'module|unload': () => fail(NO_MODULES),

  /** LOLWUT [VERSION number ...]: the picture of versions that have none. */
  lolwut: ({ reply }) => reply.verbatim('txt', 'Redis ver. 7.0.15\n'),
}
