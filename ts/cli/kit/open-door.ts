// Servers whose nodes trust whoever reaches their port.
import { BedplateError } from '../../base/errors.ts'
import { isLoopback } from '../../service/index.ts'

/** Refuses an address that others reach, unless certificates say who comes, or the user wants it so. @throws INVALID_INPUT */
export function refuseOpenDoor(host: string, authority: string, isInsecure: boolean): void {
  if (isLoopback(host) || authority !== '' || isInsecure) return
  throw new BedplateError('INVALID_INPUT', `refusing to listen on ${host} without certificates of clients and nodes`, {
    hint: 'whoever reaches the port can change everything: give --tls-cert, --tls-key and --tls-ca, or --insecure',
  })
}
