import type { CpuSeconds } from '../../cache/server/info.ts'

/** What this process has used of processors since it began. */
export function cpuSeconds(): CpuSeconds {
  const { user, system } = process.cpuUsage()
  return { user: user / 1e6, system: system / 1e6 }
}
