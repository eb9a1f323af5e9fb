/**
 * Pages that Chromium renders before the visitor opens them. Playwright forbids it to, so these tests have a Chromium of
 * their own, which the page itself steers.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

/** Show a page in a Chromium with a new profile while `work` runs. */
async function whileOpen(address, work) {
  const profile = await mkdtemp(join(tmpdir(), 'prerender-'));
  const { executablePath, args } = site.chromium;
  const child = spawn(executablePath, [...args, '--headless=new', '--no-first-run', '--disable-gpu', `--user-data-dir=${profile}`, address], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    return await work();
  } finally {
    child.kill();
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 9 });
  }
}

test('a page rendered in advance stores and sends nothing until it is shown, and is then seen once, under the decision of then', async () => {
  site.forget();
  const events = await whileOpen(site.url('/menu'), async () => {
    const received = await site.received(2, undefined, 60_000);
    await site.quiet(1500); // a view counted twice would come within a second
    return received;
  });

  const seen = new URL(site.visited.find((address) => address.includes('/seen')), 'http://any').searchParams;
  assert.equal(seen.get('stored'), '', 'while it was not shown');
  const [view, early] = events;
  assert.deepEqual(early.properties, { was_prerendered: true }, 'Chromium rendered it in advance, and the call waited');
  assert.deepEqual(site.names(), ['page_view', 'early']);
  assert.equal(view.page.url, site.url('/offer?utm_source=menu'));
  assert.deepEqual(view.touch.last.params, { utm_source: 'menu' });
  assert.ok(view.touch.last.at >= seen.get('at') && view.occurred_at >= seen.get('at'), 'the times are those of showing it');
  assert.equal(view.consent.purposes.marketing, false, 'decided on the page before, after this one was rendered');
  assert.ok(!JSON.stringify(site.requests).includes('Secreto1'));
});
