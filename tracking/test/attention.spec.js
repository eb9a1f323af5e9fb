/** Pings of engaged time. The clock is the browser's, moved by hand. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

/** Each event once: for the page's clock a request may take minutes, and is then repeated. */
const pinged = () => {
  const pings = new Map(site.events('page_ping').map((event) => [event.event_id, event.properties.engaged_seconds]));
  return [...pings.values()];
};

/** Wait until this many pings have come, and answer with them. */
async function pings(count) {
  for (let tries = 0; tries < 200 && pinged().length < count; tries++) await site.quiet(50);
  return pinged();
}

async function readingPage() {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'));
  const read = async (seconds) => {
    for (; seconds > 0; seconds -= 10) {
      await page.evaluate(() => dispatchEvent(new Event('scroll')));
      await page.clock.runFor(Math.min(seconds, 10) * 1000);
      await site.quiet(40); // requests take real time, whatever the page's clock says
    }
    await site.quiet(100);
  };
  return { visitor, page, read };
}

test('a ping comes for every 15 s in which the visitor is active, and none for a page left alone', async () => {
  const { visitor, page, read } = await readingPage();
  await read(13);
  assert.deepEqual(pinged(), []);
  await read(20);
  assert.deepEqual(await pings(2), [15, 30]);
  for (let i = 0; i < 20; i++) {
    await page.clock.runFor(10_000);
    await site.quiet(40);
  }
  await site.quiet();
  assert.equal(pinged().length <= 4, true, `30 s after the last move it is over: ${pinged()}`);
  await visitor.close();
});

test('a hidden page is not read', async () => {
  const { visitor, page, read } = await readingPage();
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => true }));
  await read(60);
  assert.deepEqual(pinged(), []);
  await visitor.close();
});

test('10 min of pings are the most a page sends, and the next page view starts anew', async () => {
  const { visitor, page, read } = await readingPage();
  await read(700);
  assert.equal((await pings(40)).length, 40);
  await site.quiet(500);
  assert.equal(pinged().length, 40);
  assert.equal(Math.max(...pinged()), 600);
  await page.evaluate(() => window.echolead('page'));
  await read(16);
  assert.equal((await pings(41)).at(-1), 15);
  await visitor.close();
});
