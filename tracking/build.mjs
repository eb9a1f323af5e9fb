/** Bundle src/index.js into dist/t.js, print its size, and fail when it outgrows what a landing page should pay. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';
import uglify from 'uglify-js';

const MAX_GZIP_BYTES = 5 * 1024;
const FILE = 'dist/t.js';

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
// `let` is shorter, and the type check has already seen to it that nothing constant is assigned; `==` is shorter, and no
// comparison here is of different types in which the two differ: objects with themselves, text with text, numbers with numbers.
const text = bundle.outputFiles[0].text.replace(/\bconst\b/g, 'let').replace(/([!=]=)=/g, '$1');
// Each finds what the other does not; this order and these options came out smallest.
const once = await minify(text, {
  ecma: 2020,
  toplevel: true,
  compress: {
    passes: 6,
    keep_fargs: false,
    unsafe_methods: true,
    unsafe_comps: true,
    pure_getters: true,
    hoist_funs: true,
    lhs_constants: false,
  },
  format: { quote_style: 2 },
});
const { code: bare, error } = uglify.minify(once.code, {
  toplevel: true,
  compress: {
    passes: 6,
    keep_fargs: false,
    unsafe_comps: true,
    pure_getters: true,
    hoist_funs: true,
    join_vars: false,
    evaluate: false,
    strings: false,
    comparisons: false,
  },
  output: { quote_style: 2 },
});
if (error) throw error;
// Both take the bundle out of its function, as whose variables they may then shorten; on a page these would be everybody's.
const code = `(()=>{${bare.replace(/;$/, '')}})()`;

// The collector puts the tenant's configuration in the place of this one text.
const places = code.split('"__CONFIG__"').length - 1;
if (places !== 1) throw new Error(`${FILE} has "__CONFIG__" ${places} times, not once`);

await mkdir(here('dist'), { recursive: true });
await writeFile(here(FILE), code);
const gzip = gzipSync(code, { level: 9 }).length;
console.log(`${FILE} ${Buffer.byteLength(code)} bytes, ${gzip} bytes gzip (limit ${MAX_GZIP_BYTES})`);
if (gzip > MAX_GZIP_BYTES) {
  console.error(`${FILE} is ${gzip - MAX_GZIP_BYTES} bytes over the limit`);
  process.exitCode = 1;
}
