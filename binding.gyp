# For node-gyp and prebuildify in a checkout; never published (see docs/decisions/0001-no-install-script-own-loader.md).
{
  'includes': ['native/bedplate.gypi'],
}
