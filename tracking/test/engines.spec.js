/**
 * The script in other engines than Chromium's: what a visit, a form, a link, a decision and a departure need of a browser, which
 * each does in its way.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Firefox } from './firefox.js';
import { openSite } from './site.js';
import { WebKit } from './webkit.js';

let site;
const browsers = new Map([WebKit, Firefox].map((Browser) => [Browser, new Browser()]));
before(async () => {
  site = await openSite();
  for (const [{ skip }, browser] of browsers) if (!skip) await browser.start();
});
after(async () => {
  for (const browser of browsers.values()) await browser.stop();
  await site.close();
});

/** A test in each, with a browser without a past, on a site that knows nothing yet. */
function inEach(name, work) {
  for (const [{ name: engine, skip }, browser] of browsers) {
    test(`${engine}: ${name}`, { skip }, async () => {
      site.forget();
      const page = await browser.open(site.port);
      try {
        await work(page);
      } finally {
        await page.close();
      }
    });
  }
}

const track = (page, ...args) => page.evaluate((...said) => window.echolead(...said), ...args);

inEach('a paid visit keeps its parameters, visitor and session', async (page) => {
  const query = '?utm_source=Google&utm_campaign=Lan%C3%A7amento+2026&gclid=Abc_123-XyZ&utm_term=promo%E7%E3o';
  await page.goto(site.url(`/plain${query}#topo`));
  const [view] = await site.received(1);
  assert.equal(view.page.url, site.url(`/plain${query}#topo`));
  assert.deepEqual(view.touch.last.params, {
    utm_source: 'Google', utm_campaign: 'Lançamento 2026', gclid: 'Abc_123-XyZ', utm_term: 'promo%E7%E3o',
  });
  await page.goto(site.url('/other'));
  const [, next] = await site.received(2, 'page_view');
  assert.deepEqual([next.tracking_id, next.session_id], [view.tracking_id, view.session_id]);
  assert.deepEqual(next.touch.last, view.touch.last);
});

inEach('a form that leaves the page arrives, and its visitor is known', async (page) => {
  await page.goto(site.url('/forms'));
  await page.fill('#contato [name=nome]', 'Ana Souza');
  await page.fill('#contato [name=e-mail]', 'Ana@Exemplo.com.br');
  await page.fill('#contato [name=telefone]', '(11) 98765-4321');
  await page.click('#contato button');
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual(submit.user, { name: 'Ana Souza', email: 'Ana@Exemplo.com.br', phone: '(11) 98765-4321' });
  await site.received(2, 'page_view');
  assert.deepEqual(new Set(site.names()), new Set(['page_view', 'form_start', 'form_submit']));
});

inEach('passwords, cards, documents, codes, hidden and ignored fields are never sent', async (page) => {
  const secrets = ['senha', 'password', 'numero', 'cvv', 'cpf', 'codigo', 'verso', 'reservado'];
  await page.goto(site.url('/forms'));
  await page.fill('#secret [name=email]', 'ana@exemplo.com.br');
  for (const name of secrets) await page.fill(`#secret [name=${name}]`, '884422');
  await page.click('#secret button');
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual([submit.user, submit.properties.fields], [{ email: 'ana@exemplo.com.br' }, {}]);
});

inEach('a single-page application has one view for each page, also on the way back', async (page) => {
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.evaluate(() => {
    history.pushState({}, '', '/novo?a=1');
    document.title = 'Novo';
  });
  await site.received(2, 'page_view');
  await page.goto(site.url('/other'));
  await site.received(3, 'page_view');
  await page.back();
  await site.received(4, 'page_view');
  await track(page, 'event', 'still_there');
  await site.received(1, 'still_there');
  const views = await site.received(4, 'page_view');
  assert.deepEqual(views.map(({ page: { url, title } }) => [new URL(url).pathname, title]), [
    ['/plain', 'Página simples'], ['/novo', 'Novo'], ['/other', 'Outra página'], ['/novo', 'Novo'],
  ]);
});

inEach('an event of the moment of leaving arrives, on a slow network as well', async (page) => {
  await page.goto(site.url('/plain'));
  await site.received(1);
  site.delay = 1000;
  await page.evaluate(() => addEventListener('pagehide', () => window.echolead('event', 'last_word')));
  await page.goto(site.url('/blank'));
  await site.received(1, 'last_word');
});

inEach('an answer of 500 is tried again, with the same event', async (page) => {
  site.answer = (number) => (number < 2 ? { status: 500 } : undefined);
  await page.goto(site.url('/plain'));
  const [view] = await site.received(1);
  assert.deepEqual(new Set(site.requests.flatMap(({ body }) => body.events.map(({ event_id: id }) => id))), new Set([view.event_id]));
});

inEach('nothing is kept or sent before the visitor has decided', async (page) => {
  site.attributes = 'data-consent="wait"';
  await page.goto(site.url('/plain?gclid=x1'));
  await site.quiet(1200);
  assert.deepEqual([site.requests, await page.evaluate(() => [document.cookie, localStorage.length])], [[], ['', 0]]);
  await track(page, 'consent', 'granted');
  await site.received(2);
  assert.deepEqual(site.names().sort(), ['consent', 'page_view']);
});

inEach('clicks that lead away are events, and WhatsApp gets its code', async (page) => {
  await page.goto(site.url('/links'));
  for (const id of ['out', 'own', 'file', 'tel', 'mail', 'wame-text']) await page.click(`#${id}`);
  const clicks = await site.received(5, 'click');
  assert.deepEqual(clicks.map(({ properties }) => properties.kind), ['outbound', 'download', 'tel', 'mailto', 'whatsapp']);
  const href = await page.evaluate(() => document.getElementById('wame-text').href);
  assert.ok(href.endsWith(`%20[%23${clicks[4].properties.whatsapp_code}]`), href);
});

inEach('the collector brings the id back when the browser has forgotten it', async (page) => {
  site.isFirstParty = true;
  await page.goto(site.url('/plain'));
  const [view] = await site.received(1);
  const own = (await page.cookies()).find(({ name }) => name === '_eli');
  assert.deepEqual([own.httpOnly, own.sameSite], [true, 'Lax']);
  await page.evaluate(() => {
    localStorage.clear();
    for (const [name] of document.cookie.matchAll(/_el[^=]*(?==)/g)) document.cookie = `${name}=;max-age=0;path=/;domain=acme.test`;
  });
  assert.equal(await page.evaluate(() => document.cookie), '');
  await page.goto(site.url('/other'));
  const [, next] = await site.received(2, 'page_view');
  assert.equal(next.tracking_id, view.tracking_id);
});

for (const [what, selector, address] of [
  ['a link', '#link', /^loja\.shop\.test\/plain\?cor=azul%20claro&_el=[\w-]{51}$/],
  ['a form that gets', '#get button', /^loja\.shop\.test\/plain\?q=tenis&_el=[\w-]{51}$/],
]) {
  inEach(`${what} to the other domain carries the visitor, and the address there is clean`, async (page) => {
    site.domain = 'casa.test';
    await page.goto(site.url('/handover'));
    const [view] = await site.received(1);
    await page.click(selector);
    const [, next] = await site.received(2, 'page_view');
    assert.equal(next.tracking_id, view.tracking_id);
    assert.ok(site.visited.some((visited) => address.test(visited)), site.visited.join('\n'));
    assert.ok(!(await page.evaluate(() => location.href)).includes('_el'));
  });
}
