/** A process that another one of ours has started ends with it; one that was started by somebody else has no channel to it. */
export function endWithParent(): void {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
}
