// What the writer writes that the tour kills. Writer and judge are different processes: both know from this file alone
// what every batch holds, so the judge needs to be told nothing but numbers of batches.
import type { TreeBatchOperation, TreeStore } from '../../storage/ordered/types.ts'
import { BY_POPULATION, fromPopulationEntry } from './cities.ts'

export const ORDERS = 'orders'
/** An index: which orders go to a city. */
export const ORDERS_BY_CITY = 'orders-by-city'
export const ORDERS_PER_BATCH = 50
/** Batches that the writer has on their way at any time. */
export const BATCHES_AT_ONCE = 4

const DESTINATIONS = 100

/** One order as it is stored: its record and its entry in the index. */
export interface StoredOrder {
  key: string
  value: string
  indexKey: string
}

/** The ids of the cities that orders go to: the largest of Japan. */
export function destinations(store: TreeStore): number[] {
  const range = { gte: 'JP/', lt: 'JP0', reverse: true, limit: DESTINATIONS }
  return Array.from(store.tree(BY_POPULATION).range(range), (entry) => fromPopulationEntry(entry).id)
}

/** Removes what an earlier writer left. */
export async function forgetOrders(store: TreeStore): Promise<void> {
  await store.dropTree(ORDERS)
  await store.dropTree(ORDERS_BY_CITY)
}

/** The orders of batch number `batch`, counted from 0. */
export function ordersOf(batch: number, cities: readonly number[]): StoredOrder[] {
  return Array.from({ length: ORDERS_PER_BATCH }, (_, place) => {
    const number = batch * ORDERS_PER_BATCH + place
    const city = cities[(number * 7) % cities.length]
    const name = String(number).padStart(8, '0')
    return {
      key: `order:${name}`,
      value: JSON.stringify({ batch, city, cents: 100 + ((number * 7919) % 99_900) }),
      indexKey: `${city}/${name}`,
    }
  })
}

/** The writes of a batch: all of them happen, or none. */
export function writesOf(orders: readonly StoredOrder[]): TreeBatchOperation[] {
  return orders.flatMap(({ key, value, indexKey }) => [
    { type: 'put', tree: ORDERS, key, value },
    { type: 'put', tree: ORDERS_BY_CITY, key: indexKey, value: '' },
  ])
}
