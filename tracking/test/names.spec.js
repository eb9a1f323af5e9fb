/** The script takes the click ids and ad cookies that the event contract names (`echolead/events.py`). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

const contract = readFileSync(new URL('../../echolead/events.py', import.meta.url), 'utf8');
const names = (list) => new RegExp(`^${list} = \\(([^)]*)\\)`, 'm').exec(contract)[1].match(/\w+/g);

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

test('every click id and ad cookie of the contract is part of an arrival, and other parameters are not', async () => {
  const [clickIds, cookies] = [names('CLICK_ID_FIELDS'), names('AD_COOKIE_FIELDS')];
  const visitor = await site.visitor();
  await visitor.addCookies(cookies.map((name) => ({ name, value: `of${name}`, url: site.url('/') })));
  const page = await visitor.newPage();
  await page.goto(site.url(`/plain?ref=1&plano=pro&${clickIds.map((name) => `${name}=of-${name}`).join('&')}`));
  const [view] = await site.received(1);
  assert.deepEqual(view.touch.first.params, Object.fromEntries(clickIds.map((name) => [name, `of-${name}`])));
  assert.deepEqual(view.touch.first.cookies, Object.fromEntries(cookies.map((name) => [name, `of${name}`])));
  await visitor.close();
});
