/** Bundle src/index.js into dist/t.js, print its size, and fail when it outgrows what a landing page should pay. */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const MAX_GZIP_BYTES = 5 * 1024;
const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here('package.json'), 'utf8'));

await build({
  entryPoints: [here('src/index.js')],
  outfile: here('dist/t.js'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2021',
  charset: 'utf8',
  legalComments: 'none',
  tsconfigRaw: {},
  mangleProps: /^(isMine|until|chars)$/, // never leave the script
  define: { SCRIPT_VERSION: JSON.stringify(version) },
});

const script = await readFile(here('dist/t.js'));
const gzip = gzipSync(script, { level: 9 }).length;
console.log(`dist/t.js ${script.length} bytes, ${gzip} bytes gzip (limit ${MAX_GZIP_BYTES})`);
if (gzip > MAX_GZIP_BYTES) {
  console.error(`dist/t.js is ${gzip - MAX_GZIP_BYTES} bytes over the limit`);
  process.exit(1);
}
