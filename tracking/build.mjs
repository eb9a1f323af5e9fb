/** Bundle src/index.js into dist/t.js, print its size, and fail when it outgrows what a landing page should pay. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';

const MAX_GZIP_BYTES = 5 * 1024;
const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here('package.json'), 'utf8'));

const bundle = await build({
  entryPoints: [here('src/index.js')],
  bundle: true,
  write: false,
  format: 'iife',
  target: 'es2021',
  charset: 'utf8',
  legalComments: 'none',
  tsconfigRaw: {},
  define: { SCRIPT_VERSION: JSON.stringify(version) },
});
const { code } = await minify(bundle.outputFiles[0].text, {
  ecma: 2020,
  toplevel: true,
  compress: { passes: 6, keep_fargs: false, unsafe_arrows: true, unsafe_methods: true, pure_getters: true },
  mangle: { properties: { regex: /_$/ } }, // names that end in `_` never leave the script
  format: { quote_style: 2 },
});

// The collector puts the tenant's configuration in the place of this one text.
const places = code.split('"__CONFIG__"').length - 1;
if (places !== 1) throw new Error(`dist/t.js has "__CONFIG__" ${places} times, not once`);

await mkdir(here('dist'), { recursive: true });
await writeFile(here('dist/t.js'), code);
const gzip = gzipSync(code, { level: 9 }).length;
console.log(`dist/t.js ${Buffer.byteLength(code)} bytes, ${gzip} bytes gzip (limit ${MAX_GZIP_BYTES})`);
if (gzip > MAX_GZIP_BYTES) {
  console.error(`dist/t.js is ${gzip - MAX_GZIP_BYTES} bytes over the limit`);
  process.exit(1);
}
