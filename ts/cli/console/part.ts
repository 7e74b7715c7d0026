// What the console shows and does of one system: by the path behind its name.
import type { MaybePage } from '../../io/http.ts'
import { failurePage } from '../../service/index.ts'

export interface ConsolePart {
  readonly pages: (path: string) => MaybePage
  /** What is asked by POST. */
  readonly change: (path: string, body: Uint8Array) => MaybePage
}

/** The same, with what is thrown as an answer. */
export function answering({ pages, change }: ConsolePart): ConsolePart {
  return {
    pages: async (path) => {
      try {
        return await pages(path)
      } catch (error) {
        return failurePage(error)
      }
    },
    change: async (path, body) => {
      try {
        return await change(path, body)
      } catch (error) {
        return failurePage(error)
      }
    },
  }
}
