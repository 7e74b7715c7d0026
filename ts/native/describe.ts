import { search } from './loader.ts'
import type { NativeReport } from './report.ts'

/** Says which engine runs and why, and where it was looked for. */
export function describeNative(): NativeReport {
  return search().report
}
