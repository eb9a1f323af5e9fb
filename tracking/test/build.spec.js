/** The builds: which features each has, and which imports may not be. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { findCycle } from '../cycles.mjs';

const dist = new URL('../dist/', import.meta.url);
const CODE = Object.fromEntries(readdirSync(dist).map((file) => [file, readFileSync(new URL(file, dist), 'utf8')]));
/** A word that only the code of a feature has. */
const WORDS = {
  ad_cookies: 'hubspotutk', attention: 'page_ping', beacon: 'sendBeacon', chat: '$chatwoot', collector_id: 'forget',
  context: 'time_zone', fields: 'form_start', handover: 'formdata', sites: 'mercadopago', user: 'external_id',
};

for (const [file, missing] of Object.entries({
  't.js': [],
  't.no-chat.js': ['chat'],
  't.no-handover.js': ['handover'],
  't.no-chat.no-handover.js': ['chat', 'handover'],
  't.smallest.js': Object.keys(WORDS),
})) {
  test(`${file} has ${missing.length ? `no ${missing.join(', ')}` : 'every feature'} and all the others`, () => {
    const absent = Object.keys(WORDS).filter((feature) => !CODE[file].includes(WORDS[feature]));
    assert.deepEqual(absent, missing);
  });
}

test('nothing else lies beside them', () => assert.equal(Object.keys(CODE).length, 5));

test('a circle of imports is found, and its modules are named in order', () => {
  const imports = (...paths) => ({ imports: paths.map((path) => ({ path })) });
  assert.deepEqual(findCycle({ a: imports('b', 'c'), b: imports('d'), c: imports('d'), d: imports() }), undefined);
  assert.deepEqual(findCycle({ a: imports('b'), b: imports('c'), c: imports('d', 'b'), d: imports() }), ['b', 'c', 'b']);
  assert.deepEqual(findCycle({ a: imports('a') }), ['a', 'a']);
});
