# The addon for node-gyp and prebuildify. It lies here, not at the package's top, because npm builds every package that
# has a binding.gyp there; `bedplate build-native` uses this copy. CMakeLists.txt says the same for tests and fuzzers.
{
  'variables': {
    'warnings_are_errors%': 'true',
  },
  'targets': [
    {
      'target_name': 'bedplate',
      'sources': [
        'binding/addon.cc',
        'binding/crc32c_binding.cc',
        'core/json.cc',
        'core/sha256.cc',
        'core/status.cc',
        'crc32c/crc32c.cc',
        'crc32c/hardware.cc',
        'crc32c/portable.cc',
        'vfs/crash_image.cc',
        'vfs/disk_faults.cc',
        'vfs/disk_history.cc',
        'vfs/disk_image.cc',
        'vfs/file_bytes.cc',
        'vfs/simulated_disk.cc',
      ],
      'include_dirs': ['.'],
      'dependencies': ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api"],
      'defines': ['NAPI_VERSION=9', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
      'cflags': ['-fvisibility=hidden', '-Wall', '-Wextra', '-Wconversion'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20'],
      'xcode_settings': {
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '12.0',
        'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Wconversion'],
      },
      'msvs_settings': {
        'VCCLCompilerTool': { 'AdditionalOptions': ['/std:c++20', '/W4'] },
      },
      'conditions': [
        ['warnings_are_errors=="true"', { 'cflags': ['-Werror'] }],
        ['OS!="win"', {
          'sources': [
            'vfs/lock_holder.cc',
            'vfs/real_disk.cc',
            'vfs/real_lock.cc',
          ],
        }],
      ],
    },
  ],
}
