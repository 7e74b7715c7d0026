/** The folder of this package, with a slash at its end. Bundles of commands stand as deep in it as this module does. */
export const PACKAGE_URL = new URL('../../', import.meta.url)
