/** What the script sends is decoded by the collector's own definition of an event, `echolead/events.py`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

const python = process.env.ECHOLEAD_TEST_PYTHON || new URL('../../.venv/bin/python', import.meta.url).pathname;
const DECODE = `
import sys
from echolead.events import decode_batch, decode_event
for line in sys.stdin.buffer.read().splitlines():
    batch = decode_batch(line)
    for event in map(decode_event, batch.events):
        assert event.event_id.version == event.tracking_id.version == event.session_id.version == 7
        print(event.name)
`;

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

test('every kind of event is one the collector accepts', { skip: existsSync(python) ? false : `no Python at ${python}` }, async () => {
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
    window.echolead('event', 'too_large', { text: 'x'.repeat(100_000) });
    window.echolead('consent', { analytics: true, marketing: false }, { policy_version: 3 });
    window.echolead('event', 'plain');
  });
  await page.goto(site.url('/forms'));
  await page.fill('#english [name=your-email]', 'ana@exemplo.com.br');
  await page.locator('#english button').click();
  await page.goto(site.url('/links'));
  for (const id of ['wame', 'file']) await page.click(`#${id}`);
  const names = (await site.received(16)).map((event) => event.name);
  const decoded = spawnSync(python, ['-c', DECODE], {
    input: site.requests.map((request) => JSON.stringify(request.body)).join('\n'), encoding: 'utf8', cwd: new URL('../..', import.meta.url).pathname,
  });
  assert.equal(decoded.stderr, '');
  assert.deepEqual(decoded.stdout.trim().split('\n').sort(), names.sort());
  assert.deepEqual(new Set(names), new Set([
    'page_view', 'chat_open', 'chat_start', 'identify', 'quote_requested', 'not_an_object', 'too_large', 'consent', 'plain', 'form_start', 'form_submit', 'click',
  ]));
  await visitor.close();
});
