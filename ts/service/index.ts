// The service kit: one way to be a server.
export { failurePage, jsonOf, jsonPage, statusOfError } from './json-pages.ts'
export { createLogger, type Logger } from './logger.ts'
export { type Metric, metric } from './metrics.ts'
export { adminPage, runServer } from './run.ts'
export { Door, isLoopback, type Server } from './server.ts'
export {
  choiceSetting,
  environmentWithout,
  numberSetting,
  parseSettingsFile,
  readSettings,
  SERVER_SETTINGS,
  type Setting,
  textSetting,
  type ValuesOf,
  variableOf,
} from './settings.ts'
