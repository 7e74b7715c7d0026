// What a node does again and again.
import type { Cancel, Clock } from '../../io/clock.ts'

/** Calls `act` every `intervalMs`, until it is cancelled. */
export function every(clock: Clock, intervalMs: number, act: () => void): Cancel {
  let cancel: Cancel
  const again = (): void => {
    cancel = clock.timer(intervalMs, () => {
      again()
      act()
    })
  }
  again()
  return () => cancel()
}
