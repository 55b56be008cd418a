# What `npm install` compiles when there is no prebuilt binary.
#
# The file name tells the loader how the binary was linked: mxtls_static.node carries OpenSSL
# inside, hidden; mxtls_dynamic.node uses the system's libssl. scripts/openssl.mjs decides which.
# Our OpenSSL headers must come before the ones that node-gyp adds for node's own OpenSSL, hence
# 'include_dirs+', which prepends. -z nodelete: a worker that ends must not unmap code that our
# threads run. The lists of sources are shared with CMakeLists.txt.
{
  'variables': {
    'mode': '<!(node scripts/openssl.mjs --print mode)',
  },
  'targets': [
    {
      'target_name': 'mxtls_<(mode)',
      'sources': [
        '<!@(sed -n "/^[^#]/s,^,native/,p" native/sources.txt native/binding/sources.txt)',
      ],
      'include_dirs+': [
        '<!@(node scripts/openssl.mjs --print include)',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
        'native',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker that is being terminated cannot run JavaScript any more: not a reason to abort.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': [
        '-O2', '-g', '-pthread', '-fvisibility=hidden', '-fstack-protector-strong',
        '-Wall', '-Wextra', '-Wno-unused-parameter',
      ],
      'cflags_c': ['-std=gnu11', '-D_GNU_SOURCE=', '-Werror=implicit-function-declaration'],
      'cflags_cc': ['-std=gnu++17', '-fvisibility-inlines-hidden'],
      'ldflags': ['-pthread', '-Wl,-z,nodelete', '-Wl,-z,now', '-Wl,-z,relro'],
      'libraries': ['<!@(node scripts/openssl.mjs --print libs)', '-ldl'],
      'conditions': [
        ['mode=="static"', {
          'defines': ['MXTLS_MODE_STATIC=1'],
          'ldflags': ['-Wl,--exclude-libs,ALL', '-Wl,-Bsymbolic'],
        }, {
          'defines': ['MXTLS_MODE_DYNAMIC=1'],
          'ldflags': ['-Wl,--no-as-needed'],
        }],
      ],
    },
  ],
}
