// The process that runs one heavy suite for scripts/heavy.mjs: gets the file and the context as a message, sends lines
// of progress and at last the result.
process.once('message', async ({ file, context }) => {
  try {
    await send(await run(file, context))
    process.exit(0)
  } catch (error) {
    await send({ error: error?.stack ?? String(error) })
    process.exit(1)
  }
})

async function run(file, context) {
  const { default: suite } = await import(file)
  const atLeast = suite.atLeast?.(context.soak) ?? {}
  process.send({ wanted: atLeast })
  const deadline = performance.now() + context.budgetMs
  const result = await suite.run({
    ...context,
    hasTime: () => performance.now() < deadline,
    begin: (caseName, soFar) => process.send({ caseName, soFar }),
    report: (line) => process.send({ line }),
  })
  return { result, atLeast }
}

/** Waits until the message has left, which `process.exit` would not. */
function send(message) {
  return new Promise((resolve) => process.send(message, resolve))
}
