/** The id that the collector keeps in its own cookie, asked for at `P/i`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

async function firstParty() {
  const visitor = await site.visitor();
  site.isFirstParty = true;
  return { visitor, page: await visitor.newPage() };
}

/** What browsers take away from scripts after days of absence: all that they wrote. The collector's cookie stays. */
async function forgetScript(page) {
  await page.evaluate(() => localStorage.clear());
  for (const name of ['_el', '_elt', '_elc']) await page.context().clearCookies({ name });
}

const collectorsCookie = async (visitor) => (await visitor.cookies()).find(({ name }) => name === '_eli');

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
  await page.goto(site.url('/plain'));
  const [{ tracking_id }] = await site.received(1);
  const { domain, httpOnly, sameSite } = await collectorsCookie(visitor);
  assert.deepEqual([domain, httpOnly, sameSite], ['lp.acme.test', true, 'Lax']);
  await forgetScript(page);
  await page.goto(site.url('/other'));
  await page.evaluate(() => window.echolead('event', 'later'));
  const events = await site.received(3);
  assert.notEqual(site.identityRequests[1].tracking_id, tracking_id, 'the script alone had made a new id');
  assert.deepEqual(events.map((event) => event.tracking_id), [tracking_id, tracking_id, tracking_id]);
  await visitor.close();
});

for (const [case_, answer] of [['does not know the question', 404], ['is busy', 503]]) {
  test(`a collector that ${case_} changes nothing and is not asked again in this session`, async () => {
    const { visitor, page } = await firstParty();
    site.identityStatus = answer;
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
  site.domain = 'olho.test';
  site.path = '/olho';
  await page.goto(site.url('/plain'));
  const [view] = await site.received(1);
  assert.deepEqual(site.identityRequests, [{ tracking_id: view.tracking_id }]);
  await visitor.close();
});

test('a reset gives the collector\'s cookie to the next visitor, also when the answer to the first one comes late', async () => {
  const { visitor, page } = await firstParty();
  await page.goto(site.url('/plain'));
  const [first] = await site.received(1);
  await forgetScript(page);
  site.identityDelay = 300;
  await page.goto(site.url('/plain'));
  const replaced = page.waitForResponse((response) => response.url().endsWith('/t/i') && response.request().postDataJSON().reset);
  await page.evaluate(() => { window.echolead('reset'); window.echolead('event', 'somebody_else'); });
  const [other] = await site.received(1, 'somebody_else');
  await replaced;
  await page.goto(site.url('/other'));
  const views = await site.received(3, 'page_view');
  assert.equal(site.identityRequests.length, 3);
  assert.deepEqual(site.identityRequests[2], { tracking_id: other.tracking_id, reset: true });
  assert.notEqual(other.tracking_id, first.tracking_id);
  assert.equal(views[2].tracking_id, other.tracking_id);
  await forgetScript(page);
  await page.goto(site.url('/plain'));
  const [, , , again] = await site.received(4, 'page_view');
  assert.equal(again.tracking_id, other.tracking_id, 'the cookie is theirs');
  await visitor.close();
});

test('a reset that did not reach the collector is said again, and never undone', async () => {
  const { visitor, page } = await firstParty();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'));
  const [first] = await site.received(1);
  site.identityStatus = 503;
  const refused = page.waitForResponse('**/t/i');
  await page.evaluate(() => window.echolead('reset'));
  await refused;
  site.identityStatus = undefined;
  await page.clock.setSystemTime('2026-04-01T10:00:00Z');
  await page.goto(site.url('/plain'));
  const [, view] = await site.received(2, 'page_view');
  assert.notEqual(view.tracking_id, first.tracking_id);
  assert.equal(site.identityRequests.at(-1).reset, true);
  await visitor.close();
});

test('a visitor who refuses analytics has the collector\'s cookie removed, once, and a collector of another origin is not asked', async () => {
  const { visitor, page } = await firstParty();
  await page.goto(site.url('/plain'));
  await site.received(1);
  assert.ok(await collectorsCookie(visitor));
  await page.evaluate(() => window.echolead('consent', { analytics: false }));
  await site.received(1, 'consent');
  await page.goto(site.url('/other'));
  await site.quiet();
  assert.deepEqual(site.identityRequests.slice(1), [{ forget: true }]);
  assert.equal(await collectorsCookie(visitor), undefined);
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
