/** Which pages open a session: the walks and results that script and warehouse share (tests/fixtures/arrivals.json). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

const walks = JSON.parse(readFileSync(new URL('../../tests/fixtures/arrivals.json', import.meta.url), 'utf8'));
const START = Date.parse('2026-03-01T10:00:00Z');

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

for (const { case: name, pages, opens } of walks) {
  test(`sessions are opened as the table says: ${name}`, async () => {
    const visitor = await site.visitor();
    site.domain = 'casa.test';
    const page = await visitor.newPage();
    await page.clock.install({ time: START });
    const sessions = [];
    for (const [minute, address, from] of pages) {
      await page.clock.setSystemTime(START + minute * 60_000);
      await page.goto(site.url(address), { referer: from === 'own' ? site.url('/before') : from || undefined });
      const views = await site.received(sessions.length + 1, 'page_view');
      sessions.push(views.at(-1).session_id);
    }
    assert.deepEqual(sessions.flatMap((id, place) => (id === sessions[place - 1] ? [] : [place])), opens);
    await visitor.close();
  });
}
