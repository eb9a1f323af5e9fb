/** Links, forms and windows that lead to the tenant's other domains, with the token that the collector gives out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const SHOP = 'loja.shop.test';

/** A page whose tenant has a shop on another domain. */
async function withShop(path = '/handover', { attributes = '', delay = 0, ...options } = {}) {
  const visitor = await site.visitor(options);
  site.domain = 'casa.test';
  site.attributes = attributes;
  site.identityDelay = delay;
  const page = await visitor.newPage();
  await page.goto(site.url(path));
  return { visitor, page };
}

/** Do what the page asks the collector about, and go on when it has read the answer. */
async function answered(page, act) {
  const answer = page.waitForResponse('**/t/i');
  await act();
  await (await answer).finished();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
}

/** Point at something, and press it when the answer to that has come. */
async function press(page, selector) {
  await answered(page, () => page.hover(selector));
  await page.mouse.down();
  await page.mouse.up();
}

for (const [what, selector, url] of [
  ['a link', '#link', /^loja\.shop\.test\/plain\?cor=azul%20claro&_el=([\w-]{51})$/],
  ['a form that gets', '#get button', /^loja\.shop\.test\/plain\?q=tenis&_el=([\w-]{51})$/],
  ['a window', '#window', /^loja\.shop\.test\/plain\?&_el=([\w-]{51})$/],
]) {
  test(`${what} to the other domain carries the visitor, and the address there is clean before anything reads it`, async () => {
    const { visitor, page } = await withShop();
    const [view] = await site.received(1);
    await press(page, selector);
    const [, next] = await site.received(2, 'page_view');
    assert.equal(next.tracking_id, view.tracking_id);
    const address = site.visited.find((visited) => visited.startsWith(SHOP));
    assert.match(address, url);
    const [, link] = url.exec(address);
    assert.ok(!JSON.stringify(site.events()).includes('_el='), 'no event has the token');
    assert.deepEqual(site.identityRequests, [
      { tracking_id: view.tracking_id }, // as the visitor is new
      { tracking_id: view.tracking_id }, // as they point at something
      { tracking_id: site.identityRequests[2].tracking_id, link },
    ]);
    assert.notEqual(site.identityRequests[2].tracking_id, view.tracking_id);
    const there = visitor.pages().at(-1);
    assert.ok(!there.url().includes('_el'));
    await visitor.close();
  });
}

test('a form that posts to the other domain has the token in its action, not in its fields', async () => {
  const { visitor, page } = await withShop();
  await site.received(1);
  const posted = page.waitForRequest((request) => request.method() === 'POST' && request.url().includes(SHOP) && !request.url().includes('/t'));
  await press(page, '#post button');
  const request = await posted;
  assert.match(request.url(), /\/enviar\?passo=1&_el=[\w-]{51}$/);
  assert.equal(request.postData(), 'email=ana%40exemplo.com.br');
  await visitor.close();
});

test('a navigation does not wait for a token, and starts a visitor of its own', async () => {
  const { visitor, page } = await withShop('/handover', { delay: 3000 });
  await page.click('#link');
  await page.waitForURL((url) => url.hostname === SHOP);
  const [view, next] = await site.received(2, 'page_view');
  assert.notEqual(next.tracking_id, view.tracking_id);
  assert.ok(!site.visited.some((address) => address.includes('_el=')));
  await visitor.close();
});

test('addresses of the same domain, of strangers and of lookalikes get no token', async () => {
  const { visitor, page } = await withShop();
  await site.received(1);
  for (const selector of ['#blog', '#stranger', '#lookalike', '#own']) {
    await page.evaluate((link) => document.querySelector(link).addEventListener('click', (event) => event.preventDefault()), selector);
    await page.click(selector);
    assert.ok(!(await page.getAttribute(selector, 'href')).includes('_el'));
  }
  await visitor.close();
});

test('without consent no token is asked for, one that came is taken out of the address and read only when allowed', async () => {
  const { visitor, page } = await withShop('/handover?utm_source=a&_el=somebody&_el=again#topo', { attributes: 'data-consent="wait"' });
  assert.match(page.url(), /\/handover\?utm_source=a#topo$/);
  await page.hover('#link');
  await page.mouse.down();
  await site.quiet();
  assert.deepEqual(site.identityRequests, []);
  assert.ok(!(await page.getAttribute('#link', 'href')).includes('_el'));
  await page.mouse.move(0, 0);
  await page.mouse.up();
  await page.evaluate(() => window.echolead('consent', 'granted'));
  const [view] = await site.received(1, 'page_view');
  assert.equal(site.identityRequests[0].link, 'somebody');
  assert.match(view.page.url, /\?utm_source=a#topo$/);
  await visitor.close();
});

/** A token that the collector gave out for a visitor of another tenant. */
async function stranger(visitor) {
  const page = await visitor.newPage();
  await page.goto(site.url('/blank', 'lp.acme.test'));
  return page.evaluate(async (body) => (await (await fetch('/t/i', { method: 'POST', body })).json()).link,
    JSON.stringify({ tracking_id: '019ca90e-208d-7067-8b79-0a16a1f1220d' }));
}

for (const [what, token] of [['forged', () => 'forged'], ['another tenant\'s', stranger]]) {
  test(`a token that is ${what} leaves the visitor as they are, with a clean address`, async () => {
    const { visitor, page } = await withShop('/blank');
    await page.goto(site.url(`/plain?_el=${await token(visitor)}`, SHOP));
    const [view] = await site.received(1);
    const { tracking_id, link } = site.identityRequests.at(-1);
    assert.ok(link);
    assert.equal(view.tracking_id, tracking_id);
    assert.match(page.url(), /\/plain$/);
    assert.equal(view.page.query, '');
    await visitor.close();
  });
}

const ATTACKER = '019ca90e-208d-7067-8b79-0a16a1f1220d';

/** An address with a token as anybody can have one made, for an id of theirs, and a page of a browser that has seen nothing yet. */
async function lure() {
  const page = await (await site.browser.newContext()).newPage();
  await page.goto(site.url('/blank', SHOP));
  const token = await page.evaluate(async (body) => (await (await fetch('/t/i', { method: 'POST', body })).json()).link, JSON.stringify({ tracking_id: ATTACKER }));
  return site.url(`/plain?utm_source=a&_el=${token}`);
}

for (const isFirstParty of [true, false]) {
  test(`whatever a link brings, a visitor who is known stays who they are, by ${isFirstParty ? 'their own host\'s' : 'another host\'s'} collector`, async () => {
    const { visitor, page } = await withShop('/blank');
    site.isFirstParty = isFirstParty;
    await page.goto(site.url('/plain'));
    const [first] = await site.received(1, 'page_view');
    await page.goto(await lure());
    const [, lured] = await site.received(2, 'page_view');
    await answered(page, () => page.hover('body')); // when the script asks for a token of the visitor's own
    await page.goto(site.url('/plain?later'));
    const [, , later] = await site.received(3, 'page_view');
    assert.deepEqual([lured.tracking_id, later.tracking_id], [first.tracking_id, first.tracking_id]);
    assert.ok(!site.identityRequests.some(({ link }) => link), 'the token is not even shown to the collector');
    assert.equal(lured.page.query, 'utm_source=a');
    // Control: the same kind of link brings a new visitor.
    const other = await (await site.browser.newContext()).newPage();
    await other.goto(await lure());
    assert.equal((await site.received(4, 'page_view')).at(-1).tracking_id, ATTACKER);
    await visitor.close();
  });
}

test('a link that is followed twice brings the visitor once', async () => {
  const { visitor, page } = await withShop();
  const [view] = await site.received(1);
  await press(page, '#link');
  await site.received(2, 'page_view');
  const address = site.visited.find((visited) => visited.startsWith(SHOP)).slice(SHOP.length);
  const friend = await (await site.browser.newContext()).newPage();
  await friend.goto(site.url(address, SHOP));
  const [, next, copied] = await site.received(3, 'page_view');
  assert.equal(next.tracking_id, view.tracking_id);
  assert.notEqual(copied.tracking_id, view.tracking_id);
  assert.ok(site.identityRequests.at(-1).link, 'it was tried');
  await visitor.close();
});

test('a token is asked for once a minute at most, however much the page is used', async () => {
  const { visitor, page } = await withShop();
  await site.received(1);
  for (const selector of ['#own', '#link', '#blog', '#stranger', '#link']) await page.hover(selector);
  await site.quiet();
  assert.equal(site.identityRequests.length, 2);
  await visitor.close();
});

test('after a reset links carry the next visitor', async () => {
  const { visitor, page } = await withShop();
  await site.received(1);
  await page.evaluate(() => document.querySelector('#link').addEventListener('click', (event) => event.preventDefault()));
  /** Whom the link's token is of: its first 16 bytes. */
  const carried = async () => Buffer.from(new URL(await page.getAttribute('#link', 'href')).searchParams.get('_el'), 'base64url').toString('hex', 0, 16);
  await press(page, '#link');
  const first = await carried();
  await page.evaluate(() => { document.querySelector('#link').href = document.querySelector('#link').href.replace(/&_el=.*/, ''); });
  await answered(page, () => page.evaluate(() => { window.echolead('reset'); window.echolead('event', 'somebody_else'); }));
  await page.click('#link');
  const [view, other] = await site.received(2);
  assert.deepEqual([first, await carried()], [view, other].map(({ tracking_id }) => tracking_id.replaceAll('-', '')));
  await visitor.close();
});
