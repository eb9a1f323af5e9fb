/** The smallest build: page views, arrivals, consent, forms sent, and the queue, without any other feature. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

async function open(path, { attributes = '', ...options } = {}) {
  const visitor = await site.visitor();
  site.isSmallest = true;
  site.attributes = attributes;
  const page = await visitor.newPage();
  await page.goto(site.url(path), options);
  return { visitor, page };
}

const waiting = (page) => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('_elq.')).length);

test('a paid visit keeps its parameters, and the next page its visitor, session and arrivals', async () => {
  const { visitor, page } = await open('/plain?utm_source=Google&utm_campaign=Lan%C3%A7amento+2026&gclid=Abc_123-XyZ', { referer: 'https://www.google.com/' });
  await page.click('#next');
  await page.waitForURL('**/other');
  const [view, next] = await site.received(2, 'page_view');
  const { params, referrer } = view.touch.first;
  assert.deepEqual(params, { utm_source: 'Google', utm_campaign: 'Lançamento 2026', gclid: 'Abc_123-XyZ' });
  assert.equal(referrer, 'https://www.google.com/');
  assert.deepEqual([view.touch.last, view.touch.last_non_direct], [view.touch.first, view.touch.first]);
  assert.deepEqual([next.tracking_id, next.session_id, next.touch], [view.tracking_id, view.session_id, view.touch]);
  await visitor.close();
});

test('a session ends after 30 minutes of silence, and the next one without a referrer is a direct arrival', async () => {
  const { visitor, page } = await open('/blank');
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain?utm_source=a'));
  await page.clock.setSystemTime('2026-03-01T10:31:00Z');
  await page.goto(site.url('/plain'));
  const [first, second] = await site.received(2);
  assert.equal(second.tracking_id, first.tracking_id);
  assert.notEqual(second.session_id, first.session_id);
  assert.deepEqual([second.touch.last.params, second.touch.last_non_direct], [{}, first.touch.first]);
  await visitor.close();
});

test('an own link with parameters and a bare referrer within a session are no arrivals', async () => {
  const { visitor, page } = await open('/plain#utm_source=jornal&amp;gclid=AbC_1', { referer: 'https://jornal.example/' });
  await page.goto(site.url('/other?utm_source=site'), { referer: site.url('/plain') });
  await page.goto(site.url('/plain'), { referer: 'https://acs.banco.example/' });
  const [landing, ...later] = await site.received(3);
  assert.deepEqual(landing.touch.last.params, { utm_source: 'jornal', gclid: 'AbC_1' });
  for (const view of later) assert.deepEqual([view.session_id, view.touch], [landing.session_id, landing.touch]);
  await visitor.close();
});

test('a single-page application has a view for each page', async () => {
  const { visitor, page } = await open('/spa');
  await site.received(1);
  await page.evaluate(() => go('/spa/planos', 'Planos'));
  const views = await site.received(2);
  assert.deepEqual(views.map((view) => view.page.title), ['Início', 'Planos']);
  await visitor.close();
});

test('a form says who the visitor is, and none of its secrets', async () => {
  const { visitor, page } = await open('/forms');
  await page.fill('#secret [name=email]', 'ana@exemplo.com.br');
  for (const name of ['senha', 'numero', 'cvv', 'cpf', 'codigo']) await page.fill(`#secret [name=${name}]`, '884422');
  await page.click('#secret button');
  const [secret] = await site.received(1, 'form_submit');
  assert.deepEqual([secret.user, secret.properties], [{ email: 'ana@exemplo.com.br' }, { form_id: 'secret', fields: {} }]);
  await page.fill('#contato [name=nome]', 'Ana Souza');
  await page.fill('#contato [name=telefone]', '(11) 98765-4321');
  await page.click('#contato button');
  const [, contact] = await site.received(2, 'form_submit');
  assert.deepEqual(contact.user, { name: 'Ana Souza', phone: '(11) 98765-4321' });
  assert.deepEqual(new Set(site.names()), new Set(['page_view', 'form_submit']));
  await visitor.close();
});

test('nothing is kept or sent before the visitor decides, and no click id when they deny marketing', async () => {
  const { visitor, page } = await open('/plain?utm_source=Meta&fbclid=Secreto1', { attributes: 'data-consent="wait"' });
  await site.quiet();
  assert.deepEqual([site.requests, await page.evaluate(() => [document.cookie, localStorage.length])], [[], ['', 0]]);
  await page.evaluate(() => window.echolead('consent', { analytics: true, marketing: false }));
  const events = await site.received(2);
  assert.deepEqual(events.map(({ name }) => name), ['page_view', 'consent']);
  assert.ok(!JSON.stringify(site.requests).includes('Secreto1'));
  assert.deepEqual(events[0].touch.first.params, { utm_source: 'Meta' });
  await visitor.close();
});

test('an answer of 503 and a lost connection are tried again, with the same events', async () => {
  const visitor = await site.visitor();
  site.isSmallest = true;
  site.answer = (count) => count === 0 && { status: 503 };
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1, 'page_view');
  await visitor.setOffline(true);
  await page.evaluate(() => window.echolead('event', 'offline'));
  await site.quiet(200);
  assert.equal(await waiting(page), 1);
  await visitor.setOffline(false);
  await site.received(1, 'offline');
  await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith('_elq.')));
  assert.equal(new Set(site.events().map(({ event_id: id }) => id)).size, site.events().length);
  await visitor.close();
});

test('an event of the moment of leaving arrives', async () => {
  const { visitor, page } = await open('/plain');
  await site.received(1);
  await page.evaluate(() => addEventListener('pagehide', () => window.echolead('event', 'last_word')));
  await page.goto(site.url('/blank'));
  await site.received(1, 'last_word');
  await visitor.close();
});

test('calls for features that it does not have do nothing, and no name but `echolead` is the page\'s', async () => {
  const visitor = await site.visitor();
  site.isSmallest = true;
  const page = await visitor.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.addInitScript(() => { window.before = Object.getOwnPropertyNames(window); });
  await page.goto(site.url('/links?_el=token'));
  await page.evaluate(() => {
    window.echolead('identify', { email: 'ana@exemplo.com.br' });
    window.echolead('reset');
    window.echolead('event', 'after');
  });
  await page.click('#out');
  const [view, after] = await site.received(2);
  await site.quiet();
  assert.deepEqual([site.names(), problems, site.identityRequests], [['page_view', 'after'], [], []]);
  assert.equal(after.tracking_id, view.tracking_id);
  const added = await page.evaluate(() => Object.getOwnPropertyNames(window).filter((name) => !window.before.includes(name)));
  assert.deepEqual(added.filter((name) => name !== 'before'), ['echolead']);
  await visitor.close();
});
