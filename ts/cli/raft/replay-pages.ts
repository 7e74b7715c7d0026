// The stories of story.ts for the console: GET replay/STORY/SEED gives {name, seed, about, steps}.
import type { Page } from '../../io/http.ts'
import { failurePage, jsonPage } from '../../service/index.ts'
import { STORIES, tell } from './story.ts'

const PATH = /^\/api\/replay\/(?<story>[a-z0-9-]+)\/(?<seed>\d{1,10})$/

/** @returns undefined for another path, and for a story that there is not. */
export function replayPage(path: string): Page | undefined {
  const { story, seed } = PATH.exec(path)?.groups ?? {}
  const name = STORIES.find((each) => each === story)
  if (name === undefined) return undefined
  try {
    return jsonPage(tell(name, Number(seed)))
  } catch (error) {
    return failurePage(error)
  }
}
