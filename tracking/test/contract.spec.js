/** What the script makes of anything a page gives it is an event that the collector takes, and what cannot be one costs only itself. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

test('every kind of event is one the collector accepts', async () => {
  const visitor = await site.visitor();
  await visitor.addCookies([{ name: '_fbp', value: 'fb.1.2.3', url: site.url('/') }]);
  const page = await visitor.newPage();
  await page.goto(site.url(`/plain?utm_source=a&gclid=${'g'.repeat(3000)}&utm_term=%ff${'🙂'.repeat(700)}`));
  await site.received(1);
  await page.evaluate(() => window.echolead('reset'));
  await page.goto(site.url('/chat?utm_source=a&utm_term=%ff'));
  await page.evaluate(() => {
    document.title = '\ud800 half an emoji';
    window.startWidget();
    window.widgetReady();
    window.open_();
    window.say(12, { name: 'Ana', email: 'ana@exemplo.com.br' });
    window.echolead('identify', { phone: 11987654321, name: 'x'.repeat(5000), external_id: 7, other: {} });
    window.echolead('event', 'quote_requested', { value: 10.5, list: [1, { a: null }] });
    window.echolead('event', 'not_an_object', 'text');
    window.echolead('event', 'not_all_text', { nul: 'a\0b', half: ['\ud83d', 'c\udc00\ud83d\ude42'], backslashes: '\\u0000 \\ud83d', 'key\ud83d\0': 1 });
    window.echolead('event', 'too_large', { text: 'x'.repeat(100_000) });
    window.echolead('consent', { analytics: true, marketing: false }, { policy_version: 3 });
    window.echolead('event', 'plain');
  });
  await page.goto(site.url('/forms'));
  await page.fill('#english [name=your-email]', 'ana@exemplo.com.br');
  await page.locator('#english button').click();
  await page.goto(site.url('/links'));
  for (const id of ['wame', 'file']) await page.click(`#${id}`);
  const events = await site.received(17);
  for (const event of events) for (const id of ['event_id', 'tracking_id', 'session_id']) assert.match(event[id], UUID7);
  assert.deepEqual(new Set(events.map((event) => event.name)), new Set([
    'page_view', 'chat_open', 'chat_start', 'identify', 'quote_requested', 'not_an_object', 'not_all_text', 'too_large', 'consent', 'plain', 'form_start', 'form_submit', 'click',
  ]));
  const { properties } = events.find(({ name }) => name === 'not_all_text');
  assert.deepEqual(properties, { nul: 'ab', half: ['', 'c🙂'], backslashes: '\\u0000 \\ud83d', key: 1 });
  await visitor.close();
});

test('an event of a name that the collector does not take costs only itself, and is not sent again', async () => {
  const visitor = await site.visitor();
  site.expectedRefusals = ['invalid_event'];
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.evaluate(() => {
    window.echolead('event', 'Pedido de orçamento');
    window.echolead('event', 'quote_requested');
  });
  await site.received(1, 'quote_requested');
  await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith('_elq.')));
  assert.deepEqual(site.refusals.map(({ event }) => event.name), ['Pedido de orçamento']);
  assert.match(site.refusals[0].detail, /\$\.name/);
  await visitor.close();
});

test('no name of the script but `echolead` is the page\'s', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.addInitScript(() => { window.before = Object.getOwnPropertyNames(window); });
  await page.goto(site.url('/plain?utm_source=a'));
  await site.received(1);
  const { added, taken } = await page.evaluate(() => ({
    added: Object.getOwnPropertyNames(window).filter((name) => !window.before.includes(name)),
    // A variable of `let` is not a property of the window, but the page cannot declare it again.
    taken: [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_'].filter((name) => (0, eval)(`typeof ${name}`) !== 'undefined'),
  }));
  assert.deepEqual([added.filter((name) => name !== 'before'), taken], [['echolead'], []]);
  await visitor.close();
});
