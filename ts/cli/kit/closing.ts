// Work on something that has to be closed whatever happens.

/** Runs `use`, then closes `resource`. An error of `use` is worth more than one of the close. */
export async function closing<R extends { close(): Promise<void> }, T>(
  resource: R,
  use: (resource: R) => Promise<T>,
): Promise<T> {
  let result: T
  try {
    result = await use(resource)
  } catch (error) {
    await resource.close().catch(() => {})
    throw error
  }
  await resource.close()
  return result
}
