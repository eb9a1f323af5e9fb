/** What an arrival's address says: the inputs and results that script and warehouse share (tests/fixtures/addresses.json). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

const cases = JSON.parse(readFileSync(new URL('../../tests/fixtures/addresses.json', import.meta.url), 'utf8'));

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

test('every address of the table is read as it says', async () => {
  const read = [];
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.addInitScript(() => localStorage.clear());
  for (const { case: name, address, referrer } of cases) {
    await page.goto('about:blank'); // another fragment alone would be the same page
    await visitor.clearCookies();
    site.requests = [];
    await page.goto(site.url(address.slice('https://lp.acme.test'.length)), { referer: referrer || undefined });
    const [{ touch }] = await site.received(1, 'page_view');
    read.push({ case: name, params: touch.last.params, referrer: touch.last.referrer });
  }
  assert.deepEqual(read, cases.map(({ case: name, params, referrer }) => ({ case: name, params, referrer })));
  await visitor.close();
});
