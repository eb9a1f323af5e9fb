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

test('a reset gives the collector\'s cookie to the next visitor, also when the answer to the first one comes late', async () => {
  const { visitor, page } = await firstParty();
  site.identity = ({ tracking_id, reset }) => ({ tracking_id: reset ? tracking_id : KNOWN });
  site.identityDelay = 300;
  await page.goto(site.url('/plain'));
  await page.evaluate(() => { window.echolead('reset'); window.echolead('event', 'somebody_else'); });
  await site.received(2);
  await page.goto(site.url('/other'));
  const views = await site.received(2, 'page_view');
  const [other] = site.events('somebody_else');
  assert.equal(site.identityRequests.length, 2);
  assert.deepEqual(site.identityRequests[1], { tracking_id: other.tracking_id, reset: true });
  assert.notEqual(other.tracking_id, KNOWN);
  assert.equal(views[1].tracking_id, other.tracking_id);
  assert.ok(views[1].tracking_id !== site.identityRequests[0].tracking_id);
  await visitor.close();
});

test('a reset that did not reach the collector is said again, and never undone', async () => {
  const { visitor, page } = await firstParty();
  site.identity = () => ({ tracking_id: KNOWN });
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'));
  await site.received(1);
  site.identity = () => 503;
  await page.evaluate(() => window.echolead('reset'));
  await page.waitForFunction(() => !document.cookie.includes('019ca90e-208d'));
  site.identity = ({ tracking_id, reset }) => ({ tracking_id: reset ? tracking_id : KNOWN });
  await page.clock.setSystemTime('2026-04-01T10:00:00Z');
  await page.goto(site.url('/plain'));
  const [, view] = await site.received(2, 'page_view');
  assert.notEqual(view.tracking_id, KNOWN);
  assert.equal(site.identityRequests.at(-1).reset, true);
  await visitor.close();
});

test('who refuses analytics has the collector\'s cookie removed, once, and no collector of another origin is told', async () => {
  const { visitor, page } = await firstParty();
  await page.goto(site.url('/plain'));
  await site.received(1);
  assert.equal((await visitor.cookies()).filter((cookie) => cookie.name === 'known').length, 1);
  await page.evaluate(() => window.echolead('consent', { analytics: false }));
  await site.received(1, 'consent');
  await page.goto(site.url('/other'));
  await site.quiet();
  assert.deepEqual(site.identityRequests.slice(1), [{ forget: true }]);
  assert.equal((await visitor.cookies()).filter((cookie) => cookie.name === 'known').length, 0);
  await visitor.close();

  const other = await site.visitor();
  const elsewhere = await other.newPage();
  await elsewhere.goto(site.url('/plain'));
  await elsewhere.evaluate(() => window.echolead('consent', 'denied'));
  await site.received(1, 'consent');
  await site.quiet();
  assert.deepEqual(site.identityRequests, []);
  await other.close();
});
