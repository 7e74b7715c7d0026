// The second stop: what the store is asked, as a program would ask it.
import type { BTree, RangeOptions } from '../../storage/btree/index.ts'
import { formatNumber, shorten } from '../kit/text.ts'
import {
  BY_NAME,
  BY_POPULATION,
  type City,
  cityFrom,
  cityKey,
  fromNameEntry,
  fromPopulationEntry,
  operationsFor,
} from './cities.ts'
import { type Report, round } from './report.ts'

/** A question and its answer. */
export interface Answer {
  question: string
  /** The call that answers it. */
  call: string
  milliseconds: number
  cities: Partial<City>[]
}

const PARIS = 2988507
const PAGE_SIZE = 5
const SHOWN_CHARACTERS = 48

/** Prints what one city is in each of the trees that the import wrote. */
export function showTrees(store: BTree, report: Report): void {
  const key = cityKey(PARIS)
  report.line('One city is one entry in each of three trees; a batch writes all of them or none:')
  report.table(
    operationsFor(cityFrom(key, store.get(key))).map((operation) => {
      const value = operation.type === 'put' ? operation.value : ''
      return [operation.tree ?? '(default)', operation.key, shorten(value, SHOWN_CHARACTERS)]
    }),
  )
}

/** Asks the store and prints what it answers. */
export async function askQuestions(store: BTree, report: Report): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const ask of [cityById, citiesByName, largestCities, secondPage]) {
    const answer = ask(store)
    answers.push(answer)
    if (answers.length > 1) report.line()
    report.line(`${answer.question} (${answer.milliseconds.toFixed(2)} ms)`)
    report.aside(answer.call)
    report.table(answer.cities.map(rowOf))
    await report.shown()
  }
  return answers
}

function cityById(store: BTree): Answer {
  const key = cityKey(PARIS)
  return timed(`A city by its id: ${PARIS}`, `store.get('${key}')`, () => [cityFrom(key, store.get(key))])
}

function citiesByName(store: BTree): Answer {
  const range = { gte: 'US/Paris/', lt: 'US/Paris0' }
  const call = `${rangeCall('byName', range)}, then store.getMany(...)`
  return timed('All cities called Paris in the United States', call, () => {
    const keys = Array.from(store.tree(BY_NAME).range(range), (entry) => cityKey(fromNameEntry(entry).id))
    return store.getMany(keys).map((record, index) => cityFrom(keys[index] as string, record))
  })
}

function largestCities(store: BTree): Answer {
  const range = { gte: 'JP/', lt: 'JP0', reverse: true, limit: 10 }
  return timed('The ten largest cities of Japan: the end of a range, backwards', rangeCall('byPopulation', range), () =>
    Array.from(store.tree(BY_POPULATION).range(range), fromPopulationEntry),
  )
}

/** The first page says where the second begins: no offset is counted, however deep the page. */
function secondPage(store: BTree): Answer {
  const byName = store.tree(BY_NAME)
  const [last] = Array.from(byName.range({ gte: 'IS/', lt: 'IS0', limit: PAGE_SIZE })).at(-1) ?? ['IS/']
  const range = { gt: last, lt: 'IS0', limit: PAGE_SIZE }
  return timed(
    'The second page of the cities of Iceland: the five after the last one seen',
    rangeCall('byName', range),
    () => Array.from(byName.range(range), fromNameEntry),
  )
}

function timed(question: string, call: string, ask: () => Partial<City>[]): Answer {
  const startedAt = performance.now()
  const cities = ask()
  return { question, call, milliseconds: round(performance.now() - startedAt, 3), cities }
}

/** A range as it is written in a program: `byName.range({ gte: 'IS/', limit: 5 })`. */
function rangeCall(tree: string, range: RangeOptions): string {
  const options = Object.entries(range).map(([name, value]) => {
    return `${name}: ${typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : value}`
  })
  return `${tree}.range({ ${options.join(', ')} })`
}

function rowOf({ name = '', country = '', region, population = 0, latitude, longitude }: Partial<City>): string[] {
  const row = [name, region === undefined ? country : `${country} ${region}`, formatNumber(population)]
  if (latitude === undefined || longitude === undefined) return row
  return [...row, `${degrees(latitude, 'NS')} ${degrees(longitude, 'EW')}`]
}

function degrees(value: number, directions: string): string {
  return `${Math.abs(value).toFixed(2)}° ${directions[value < 0 ? 1 : 0]}`
}
