/** The id that the collector keeps in its own cookie, asked for at `P/i`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const KNOWN = '019ca90e-208d-7067-8b79-0a16a1f1220d';

async function firstParty() {
  const visitor = await site.visitor();
  site.collectorHost = '';
  return { visitor, page: await visitor.newPage() };
}

test('a collector of the same origin is asked once a session at most, and again after 5 days', async () => {
  const { visitor, page } = await firstParty();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'));
  const [view] = await site.received(1);
  await page.goto(site.url('/other'));
  await page.goto(site.url('/plain'));
  await site.received(3);
  await page.clock.setSystemTime('2026-03-03T10:00:00Z');
  await page.goto(site.url('/plain'));
  await site.received(4);
  assert.deepEqual(site.identityRequests, [{ tracking_id: view.tracking_id }], 'another session, but the cookie is young');
  await page.clock.setSystemTime('2026-03-07T10:00:00Z');
  await page.goto(site.url('/plain'));
  await site.received(5);
  assert.equal(site.identityRequests.length, 2);
  await visitor.close();
});

test('a visitor whose storage the browser emptied is the same one again, from the first event on', async () => {
  const { visitor, page } = await firstParty();
  site.identity = () => ({ tracking_id: KNOWN });
  await page.goto(site.url('/plain'));
  await page.evaluate(() => window.echolead('event', 'later'));
  const events = await site.received(2);
  assert.deepEqual(events.map((event) => event.tracking_id), [KNOWN, KNOWN]);
  await visitor.close();
});

for (const [case_, answer] of [['does not know the question', 404], ['is busy', 503]]) {
  test(`a collector that ${case_} changes nothing and is not asked again in this session`, async () => {
    const { visitor, page } = await firstParty();
    site.identity = () => answer;
    await page.goto(site.url('/plain'));
    await page.goto(site.url('/other'));
    const [view, next] = await site.received(2);
    assert.equal(next.tracking_id, view.tracking_id);
    assert.equal(site.identityRequests.length, 1);
    await visitor.close();
  });
}

test('a collector of another origin is not asked, and neither is any without consent', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  assert.deepEqual(site.identityRequests, []);
  await visitor.close();

  const { visitor: other, page: waiting } = await firstParty();
  site.attributes = 'data-consent="wait"';
  await waiting.goto(site.url('/plain'));
  await site.quiet();
  assert.deepEqual(site.identityRequests, []);
  await waiting.evaluate(() => window.echolead('consent', 'granted'));
  await site.received(2);
  assert.equal(site.identityRequests.length, 1);
  await other.close();
});

test('the collector is where the script comes from, whatever the path is called', async () => {
  const { visitor, page } = await firstParty();
  site.path = '/clinica/olho';
  await page.goto(site.url('/plain'));
  await site.received(1);
  assert.equal(site.identityRequests.length, 1);
  await visitor.close();
});

test('after a reset the collector\'s cookie, which is the old visitor\'s, is not asked any more', async () => {
  const { visitor, page } = await firstParty();
  site.identity = () => ({ tracking_id: KNOWN });
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.evaluate(() => window.echolead('reset'));
  await page.clock.setSystemTime('2026-04-01T10:00:00Z');
  await page.goto(site.url('/plain'));
  const [, view] = await site.received(2, 'page_view');
  assert.notEqual(view.tracking_id, KNOWN);
  assert.equal(site.identityRequests.length, 1);
  await visitor.close();
});
