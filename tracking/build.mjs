/**
 * Build the script: `dist/t.js` with everything, and the builds with fewer features that the collector serves beside it.
 * Prints their sizes, and fails above the limits, on a circular import, and on a build that takes no settings.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';
import { findCycle } from './cycles.mjs';

/** What a build may have beside page views, arrivals, consent, forms sent, and the queue: `FEATURE_*` in the source. */
const FEATURES = [
  'ad_cookies', 'attention', 'beacon', 'chat', 'collector_id', 'context', 'fields', 'handover', 'sites', 'user',
];
const WHOLE_BYTES = 7 * 1024;
const SMALLEST_BYTES = 3.5 * 1024;

/** Files by what they lack; `ingest_api` chooses one by what the tenant's settings need. Limits are of gzip. */
const BUILDS = {
  't.js': { without: [], limit: WHOLE_BYTES },
  't.no-chat.js': { without: ['chat'], limit: WHOLE_BYTES },
  't.no-handover.js': { without: ['handover'], limit: WHOLE_BYTES },
  't.no-chat.no-handover.js': { without: ['chat', 'handover'], limit: WHOLE_BYTES },
  't.smallest.js': { without: FEATURES, limit: SMALLEST_BYTES },
};
/** The collector puts the tenant's settings in the place of this text. */
const PLACE = '"__CONFIG__"';

/** Safe as no getter of the browser that the script reads has a side effect. */
const COMPRESS = { passes: 4, hoist_funs: true, keep_fargs: false, pure_getters: true };

const here = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(here('package.json'), 'utf8'));

/** The hosts that the warehouse does not count as sources, without those that lie below another one of them. */
async function excludedReferrers() {
  const seed = await readFile(here('../dbt_project/seeds/excluded_referrers.csv'), 'utf8');
  const hosts = seed.trim().split('\n').slice(1).map((row) => row.split(',')[0]);
  return hosts.filter((host) => !hosts.some((other) => host.endsWith(`.${other}`))).join(' ');
}

const constants = { SCRIPT_VERSION: version, EXCLUDED_REFERRERS: await excludedReferrers() };
const define = Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, JSON.stringify(value)]));

/** The code of a build and the graph of its modules. */
async function bundle(without) {
  const flags = FEATURES.map((name) => [`FEATURE_${name.toUpperCase()}`, String(!without.includes(name))]);
  const { outputFiles, metafile } = await build({
    entryPoints: [here('src/index.js')],
    bundle: true,
    write: false,
    metafile: true,
    format: 'iife',
    target: 'es2021',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    define: { ...define, ...Object.fromEntries(flags) },
  });
  const { code } = await minify(outputFiles[0].text, { ecma: 2020, compress: COMPRESS });
  return { code, metafile };
}

/** Why a build may not be used, sentence by sentence. */
function* faults({ code, metafile }, gzip, limit) {
  const cycle = findCycle(metafile.inputs);
  if (cycle) yield `circular import: ${cycle.join(' -> ')}`;
  const places = code.split(PLACE).length - 1;
  if (places !== 1) yield `${PLACE} is in it ${places} times, not once`;
  if (gzip > limit) yield `${gzip - limit} bytes over the limit`;
}

await rm(here('dist'), { recursive: true, force: true }); // no build of before beside those of now
await mkdir(here('dist'));
for (const [file, { without, limit }] of Object.entries(BUILDS)) {
  const built = await bundle(without);
  await writeFile(here(`dist/${file}`), built.code);
  const gzip = gzipSync(built.code, { level: 9 }).length;
  console.log(`dist/${file} ${Buffer.byteLength(built.code)} bytes, ${gzip} bytes gzip (limit ${limit})`);
  for (const fault of faults(built, gzip, limit)) {
    console.error(`dist/${file}: ${fault}`);
    process.exitCode = 1;
  }
}
