import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { askCollector, openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const waiting = (page) =>
  page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('_elq.')).sort().map((key) => JSON.parse(localStorage[key])[1].name));
const track = (page, ...call) => page.evaluate((args) => window.echolead(...args), call);
/** Tabs are of several processes, and see what another wrote a moment later. */
const seen = (page, count, name = '') =>
  page.waitForFunction(([count, name]) =>
    Object.keys(localStorage).filter((key) => key.startsWith('_elq.') && localStorage[key].includes(name)).length === count, [count, name]);
/** Two tabs that draw their waiting times from ranges apart: that both draw the same is what the collector's end is there for. */
const tabs = async (visitor) => {
  const pages = [await visitor.newPage(), await visitor.newPage()];
  await Promise.all(pages.map((page, i) => page.addInitScript((least) => {
    const { random } = Math;
    Math.random = () => least + 0.3 * random();
  }, 0.7 * i)));
  await Promise.all([pages[0].goto(site.url('/plain')), pages[1].goto(site.url('/other'))]);
  return pages;
};
const unique = (events) => new Set(events.map((event) => event.event_id)).size;

test('what happened offline is sent once the connection is back, and nothing twice', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await visitor.setOffline(true);
  await track(page, 'event', 'offline_one');
  await track(page, 'event', 'offline_two');
  await site.quiet(200);
  assert.deepEqual(site.names(), ['page_view']);
  assert.deepEqual(await waiting(page), ['offline_one', 'offline_two']);
  await visitor.setOffline(false);
  await site.received(3);
  await site.quiet();
  assert.deepEqual(site.names().sort(), ['offline_one', 'offline_two', 'page_view'], 'the one whose pause ends first goes first');
  assert.deepEqual(await waiting(page), []);
  await visitor.close();
});

test('a busy collector is left alone for as long as it asks', async () => {
  const visitor = await site.visitor();
  site.answer = (count) => count === 0 && { status: 503, headers: { 'Retry-After': '2' } };
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await track(page, 'event', 'meanwhile');
  await site.received(2);
  const [refused, accepted] = site.requests;
  assert.equal(refused.status, 503);
  assert.ok(accepted.at - refused.at >= 1900, `waited ${accepted.at - refused.at} ms`);
  assert.equal(site.requests.length, 2);
  assert.deepEqual(await waiting(page), []);
  await visitor.close();
});

for (const seconds of ['-1', 'Fri, 06 Mar 2026 10:00:00 GMT']) {
  test(`a busy collector that asks to wait for ${seconds} is tried again after a while of our own`, async () => {
    const visitor = await site.visitor();
    site.answer = (count) => count === 0 && { status: 503, headers: { 'Retry-After': seconds } };
    const page = await visitor.newPage();
    await page.goto(site.url('/plain'));
    await site.received(1, 'page_view');
    assert.equal(site.requests.length, 2);
    await visitor.close();
  });
}

for (const [status, outcome] of [[429, 'tried again'], [500, 'tried again'], [400, 'given up'], [413, 'given up'], [422, 'given up']]) {
  test(`an answer of ${status} is ${outcome}`, async () => {
    const visitor = await site.visitor();
    site.answer = (count) => count === 0 && { status };
    const page = await visitor.newPage();
    const answered = page.waitForResponse('**/t');
    await page.goto(site.url('/plain'));
    await answered;
    if (outcome === 'tried again') await site.received(1, 'page_view');
    else await site.quiet(1300);
    assert.equal(site.requests.length, outcome === 'tried again' ? 2 : 1);
    assert.deepEqual(await waiting(page), []);
    await visitor.close();
  });
}

test('a connection cut in the middle is tried again with the same event', async () => {
  const visitor = await site.visitor();
  let cuts = 0;
  site.answer = () => cuts++ === 0 && 'cut';
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await site.quiet();
  assert.equal(site.events().length, 1);
  await visitor.close();
});

test('an event of the moment of leaving arrives, and what was refused goes from the next page', async () => {
  const visitor = await site.visitor();
  // The next page is read half a minute later: a request of unknown end is left alone for 15 s, and up to 9 s more.
  await visitor.addInitScript(() => {
    const { now } = Date;
    if (location.pathname === '/other') Date.now = () => now() + 30_000;
  });
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  site.answer = { status: 503 };
  const refused = page.waitForResponse('**/t');
  await track(page, 'identify', { email: 'ana@exemplo.com.br' });
  await refused;
  site.answer = undefined;
  await page.click('#next');
  await page.waitForURL('**/other');
  await site.received(1, 'identify');
  assert.equal(unique(site.events('identify')), 1);
  await visitor.close();
});

test('an event recorded while the page unloads arrives', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.evaluate(() => {
    addEventListener('click', () => {
      location.href = '/other';
    });
    addEventListener('beforeunload', () => window.echolead('event', 'last_word'));
  });
  await page.click('h1');
  await page.waitForURL('**/other');
  await site.received(1, 'last_word');
  await site.quiet();
  assert.equal(site.events('last_word').length, 1);
  await visitor.close();
});

test('two tabs lose nothing, and share the work', async () => {
  const visitor = await site.visitor();
  const [one, two] = await tabs(visitor);
  await site.received(2);
  await seen(one, 0);
  await visitor.setOffline(true);
  for (let i = 0; i < 5; i++) {
    await track(one, 'event', 'from_one', { i });
    await track(two, 'event', 'from_two', { i });
  }
  await seen(one, 10);
  await visitor.setOffline(false);
  await site.received(12);
  await site.quiet(800);
  assert.equal(unique(site.events()), 12);
  // What both took in the same moment is one event still: behind the collector its repetition is dropped by its id.
  assert.ok(site.events().length < 18, `${site.events().length} sent`);
  await seen(two, 0);
  await visitor.close();
});

test('events that a closed tab left behind are taken over by one of two others', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await visitor.setOffline(true);
  await track(page, 'event', 'orphan');
  await page.close();
  await visitor.setOffline(false);
  const clock = await visitor.newPage(); // without the script, to let the dead page's time run out
  await clock.goto(site.url('/blank'));
  await seen(clock, 1, 'orphan');
  await clock.evaluate(() => {
    const key = Object.keys(localStorage).find((name) => name.startsWith('_elq.'));
    const [, event] = JSON.parse(localStorage[key]);
    localStorage[key] = JSON.stringify([Date.now() - 1, event]);
  });
  await clock.close();
  await tabs(visitor);
  await site.received(1, 'orphan', 12_000);
  await site.quiet(1200);
  assert.equal(site.events('orphan').length, 1);
  await visitor.close();
});

test('the queue keeps 100 events, the oldest go first and leads last', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await visitor.setOffline(true);
  await page.evaluate(async () => {
    window.echolead('identify', { email: 'ana@exemplo.com.br' });
    for (const name of ['form_submit', 'chat_start', 'conversion']) window.echolead('event', name);
    window.echolead('consent', 'granted');
    for (let i = 0; i < 120; i++) {
      window.echolead('event', 'step', { i });
      if (i % 20 === 0) await new Promise((done) => setTimeout(done, 5));
    }
  });
  const kept = await page.evaluate(() =>
    Object.keys(localStorage).filter((key) => key.startsWith('_elq.')).map((key) => JSON.parse(localStorage[key])[1]),
  );
  assert.equal(kept.length, 100);
  assert.deepEqual(
    kept.map((event) => event.name).filter((name) => name !== 'step').sort(),
    ['chat_start', 'consent', 'conversion', 'form_submit', 'identify'],
  );
  const steps = kept.filter((event) => event.name === 'step').map((event) => event.properties.i);
  assert.equal(Math.max(...steps), 119);
  assert.equal(Math.min(...steps) >= 15, true, `the oldest kept is ${Math.min(...steps)}`);
  await visitor.setOffline(false);
  await site.received(101, undefined, 15_000);
  for (const request of site.requests) assert.ok(request.size < 64 * 1024);
  await visitor.close();
});

test('the queue keeps 256 KB, and a page that fills the storage loses no lead', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await visitor.setOffline(true);
  await page.evaluate(() => {
    for (let i = 0; i < 12; i++) window.echolead('event', 'large', { i, text: 'x'.repeat(30_000) });
  });
  const bytes = await page.evaluate(() =>
    Object.keys(localStorage).filter((key) => key.startsWith('_elq.')).reduce((sum, key) => sum + 2 * localStorage[key].length, 0),
  );
  assert.ok(bytes <= 256 * 1024, `${bytes} bytes`);
  await page.evaluate(() => {
    for (const key of Object.keys(localStorage)) if (key.startsWith('_elq.')) localStorage.removeItem(key);
    for (let size = 5_000_000; size >= 1; size = Math.floor(size / 2)) {
      try {
        localStorage['full' + size] = 'x'.repeat(size);
      } catch {
        // smaller, then
      }
    }
    window.echolead('identify', { email: 'ana@exemplo.com.br' });
  });
  await visitor.setOffline(false);
  await site.received(1, 'identify');
  await visitor.close();
});

test('on a slow network what happens meanwhile waits for the answer, and goes together', async () => {
  const visitor = await site.visitor();
  site.delay = 1500;
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  for (let i = 0; i < 4; i++) await track(page, 'event', 'meanwhile', { i });
  await site.received(5);
  await site.quiet();
  assert.equal(site.requests.length, 2);
  assert.deepEqual(site.events('meanwhile').map((event) => event.properties.i), [0, 1, 2, 3]);
  assert.equal(unique(site.events()), 5);
  await visitor.close();
});

test('a lead sent from a page left at once, on a slow network, arrives', async () => {
  const visitor = await site.visitor();
  site.delay = 1000;
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.evaluate(() => { window.echolead('identify', { email: 'ana@exemplo.com.br' }); location.href = '/blank'; });
  await page.waitForURL('**/blank');
  await site.received(1, 'identify');
  assert.equal(unique(site.events('identify')), 1);
  await visitor.close();
});

test('with the storage full and cookies blocked, events still go', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const devtools = await visitor.newCDPSession(page);
  await devtools.send('Emulation.setDocumentCookieDisabled', { disabled: true });
  await page.addInitScript(() => {
    Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
    for (let size = 6_000_000; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (let i = 0; ; i++) localStorage['full' + size + '-' + i] = 'x'.repeat(size);
      } catch {
        // smaller, then
      }
    }
  });
  await page.goto(site.url('/plain?gclid=Z'));
  await track(page, 'identify', { email: 'ana@exemplo.com.br' });
  const [view, identify] = await site.received(2);
  assert.equal(identify.tracking_id, view.tracking_id);
  assert.equal(identify.touch.first.params.gclid, 'Z');
  await visitor.close();
});

for (const [how, breakIt] of [
  ['is not there', () => { delete window.fetch; }],
  ['throws', () => { window.fetch = () => { throw new Error('no more'); }; }],
  ['refuses', () => { window.fetch = () => Promise.reject(new TypeError('Failed to fetch')); }],
]) {
  test(`where fetch ${how}, a page that goes sends by beacon, and only then`, async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(site.url('/plain'));
    await site.received(1);
    const spy = () => {
      const send = navigator.sendBeacon;
      window.beacons = [];
      navigator.sendBeacon = (...args) => (window.beacons.push(args), send.apply(navigator, args));
    };
    await page.evaluate(spy);
    await page.evaluate(breakIt);
    await track(page, 'event', 'stays');
    await site.quiet();
    assert.deepEqual(await page.evaluate(() => window.beacons), [], 'the page is still there');

    await page.goto(site.url('/other'));
    await site.received(2, 'page_view');
    await page.evaluate(spy);
    await page.evaluate(breakIt);
    await page.evaluate(() => {
      window.echolead('event', 'last_word');
      dispatchEvent(new PageTransitionEvent('pagehide'));
    });
    await site.received(1, 'last_word');
    const beacons = await page.evaluate(() => window.beacons.map(([url, body]) => [url, body.length]));
    assert.ok(beacons.length > 0);
    for (const [url, size] of beacons) assert.ok(url.endsWith('/t') && size < 65536);
    assert.match(site.requests.at(-1).type, /^text\/plain/);
    assert.deepEqual(problems, []);
    await visitor.close();
  });
}

test('a collector that is killed and started again while a page is open gets all that happened meanwhile', async () => {
  const visitor = await site.visitor();
  site.expectedRefusals = ['unreachable'];
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await seen(page, 0);
  await site.collector.do('kill');
  try {
    await track(page, 'event', 'meanwhile', { i: 0 });
    await site.refused(1);
    await track(page, 'identify', { email: 'ana@exemplo.com.br' });
    await track(page, 'event', 'meanwhile', { i: 1 });
    assert.equal((await waiting(page)).length, 3);
  } finally {
    await site.collector.do('start'); // the other tests need it
  }
  await site.received(4, undefined, 60_000);
  await seen(page, 0);
  assert.deepEqual(site.names().sort(), ['identify', 'meanwhile', 'meanwhile', 'page_view']);
  await visitor.close();
});

/** Other visitors of the tenant `cheia`: a request with so many events. */
const crowd = (count) => {
  const events = Array.from({ length: count }, () => ({
    event_id: randomUUID(), name: 'crowd', tracking_id: randomUUID(), session_id: randomUUID(),
    occurred_at: new Date().toISOString(), page: { url: site.url('/plain') },
  }));
  return askCollector(site.collector.port, { method: 'POST', url: '/t', headers: { host: 'c.cheia.test' } }, JSON.stringify({ events }));
};

/** Have others use up what the tenant may send in a minute, with enough of it left to see what becomes of one more visitor. */
async function useUp() {
  for (;;) {
    const { statusCode, headers } = await crowd(site.collector.limit);
    const left = Number(headers['retry-after']);
    if (statusCode === 429 && left > 20) return;
    if (statusCode === 429) await site.quiet(left * 1000);
  }
}

test('over the tenant\'s limit a visit waits as long as a collector of another origin says, and arrives then', async () => {
  const visitor = await site.visitor();
  site.domain = 'cheia.test';
  site.expectedRefusals = ['/problems/too-many-events-a-minute'];
  const page = await visitor.newPage();
  await page.clock.install();
  await useUp();
  const answer = page.waitForResponse('**/t');
  await page.goto(site.url('/plain'));
  const refused = await answer;
  assert.equal(refused.status(), 429);
  const end = site.requests[0].at + 1000 * Number(await refused.headerValue('retry-after'));
  await page.clock.pauseAt(end - 500);
  await site.collector.do('unlimit');
  while ((await crowd(1)).statusCode !== 202) await site.quiet(100); // until the collector has heard of it
  assert.equal(site.requests.length, 1);
  await page.clock.runFor(10_000);
  await page.clock.resume(); // a page whose clock stands is not looked at twice
  await site.received(1, 'page_view');
  assert.equal(site.requests.length, 2);
  await seen(page, 0);
  await visitor.close();
});

test('a page of an origin that is not the tenant\'s is refused, stores nothing, and notices nothing of it', async () => {
  const visitor = await site.visitor();
  site.expectedRefusals = ['/problems/origin-not-allowed'];
  const page = await visitor.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(site.url('/plain', 'alheia.test'));
  await site.refused(1);
  await track(page, 'event', 'second');
  await page.click('#next');
  await page.waitForURL('**/other');
  await site.refused(2);
  assert.deepEqual([problems, site.events()], [[], []]);
  assert.deepEqual([...new Set(site.requests.map(({ status }) => status))], [403]);
  await visitor.close();
});
