/**
 * Bundle src/index.js into dist/t.js, and once more with what only tenants with several hosts need into dist/t.domains.js;
 * print the sizes, and fail when one outgrows what a landing page should pay.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here('package.json'), 'utf8'));

await mkdir(here('dist'), { recursive: true });
await make('dist/t.js', 5 * 1024, false);
await make('dist/t.domains.js', 5.5 * 1024, true);

async function make(file, maxGzipBytes, hasHandover) {
  const bundle = await build({
    entryPoints: [here('src/index.js')],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2021',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    define: { SCRIPT_VERSION: JSON.stringify(version), HAS_HANDOVER: String(hasHandover) },
  });
  // `let` is shorter, and the type check has already seen to it that nothing constant is assigned.
  const { code } = await minify(bundle.outputFiles[0].text.replace(/\bconst\b/g, 'let'), {
    ecma: 2020,
    toplevel: true,
    compress: { passes: 6, keep_fargs: false, unsafe_arrows: true, unsafe_methods: true, pure_getters: true, hoist_funs: true },
    format: { quote_style: 2 },
  });

  // The collector puts the tenant's configuration in the place of this one text.
  const places = code.split('"__CONFIG__"').length - 1;
  if (places !== 1) throw new Error(`${file} has "__CONFIG__" ${places} times, not once`);

  await writeFile(here(file), code);
  const gzip = gzipSync(code, { level: 9 }).length;
  console.log(`${file} ${Buffer.byteLength(code)} bytes, ${gzip} bytes gzip (limit ${maxGzipBytes})`);
  if (gzip > maxGzipBytes) {
    console.error(`${file} is ${gzip - maxGzipBytes} bytes over the limit`);
    process.exitCode = 1;
  }
}
