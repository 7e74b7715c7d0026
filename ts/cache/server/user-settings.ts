// The settings of CONFIG that concern users.
import type { Users } from '../acl/users.ts'
import { numberSetting } from './memory-settings.ts'
import type { Password } from './password.ts'
import { fixed, type LiveSetting } from './settings.ts'

/** @param file - `aclfile`, '' for none. */
export function userSettings(users: Users, password: Password, file: string): [string, LiveSetting][] {
  return [
    ['aclfile', fixed(file)],
    [
      'acllog-max-len',
      numberSetting(
        [0, 2 ** 31 - 1],
        () => users.log.maxLength,
        (value) => {
          users.log.maxLength = value
        },
      ),
    ],
    [
      'acl-pubsub-default',
      {
        get: () => users.channelDefault,
        prepare: (value) =>
          value === 'allchannels' || value === 'resetchannels'
            ? () => {
                users.channelDefault = value
              }
            : 'argument(s) must be one of the following: allchannels, resetchannels',
      },
    ],
    [
      'requirepass',
      {
        get: () => password.text,
        prepare: (value) => {
          if (value === '' && users.mustHavePassword) return 'other machines reach this server: it needs a password'
          return () => void password.change(value)
        },
      },
    ],
  ]
}
