import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const CAMPAIGN = '/plain?utm_source=Meta&utm_campaign=Verao&fbclid=Secreto1&gclid=Secreto2&plano=pro';
const stored = (page) => page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }));

test('nothing is sent or stored until the visitor decides, and then everything is', async () => {
  const visitor = await site.visitor();
  site.domain = 'espera.test'; // whose tenant says so
  const page = await visitor.newPage();
  await page.goto(site.url(CAMPAIGN));
  await page.evaluate(() => window.echolead('event', 'looked'));
  await site.quiet();
  assert.deepEqual(site.requests, []);
  assert.equal(await stored(page), '{}');

  await page.evaluate(() => window.echolead('consent', 'granted', { policy_version: '2026-01' }));
  const [view, looked, consent] = await site.received(3);
  assert.deepEqual([view.name, looked.name, consent.name], ['page_view', 'looked', 'consent']);
  assert.equal(view.touch.first.params.fbclid, 'Secreto1');
  const { at, ...decision } = consent.consent;
  assert.ok(at);
  assert.deepEqual(decision, { purposes: { analytics: true, marketing: true }, basis: 'consent', policy_version: '2026-01' });

  await page.goto(site.url('/other'));
  const [, next] = await site.received(2, 'page_view');
  assert.equal(next.tracking_id, view.tracking_id);
  assert.deepEqual(next.consent, consent.consent, 'the decision holds on the next page');
  await visitor.close();
});

test('a lead who sends the form before deciding is not lost', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/forms?gclid=Secreto1'));
  await page.fill('#contato [name=e-mail]', 'ana@exemplo.com.br');
  await page.locator('#contato button').click();
  await page.waitForURL('**/plain');
  const [submit] = await site.received(1);
  assert.equal(submit.name, 'form_submit');
  assert.deepEqual(submit.consent, { purposes: { analytics: false, marketing: false }, basis: 'wait' });
  await site.quiet();
  assert.deepEqual(site.names(), ['form_submit']);
  assert.ok(!JSON.stringify(site.requests).includes('Secreto1'));
  await visitor.close();
});

test('with marketing denied no click id and no ad cookie leaves or stays, and the campaign\'s names do', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  await visitor.addCookies([{ name: '_fbp', value: 'Secreto3', url: site.url('/') }]);
  const page = await visitor.newPage();
  await page.goto(site.url(CAMPAIGN));
  await page.evaluate(() => window.echolead('consent', { analytics: true, marketing: false }));
  await site.received(2);
  await page.click('#next');
  await page.waitForURL('**/other');
  const events = await site.received(3);
  assert.ok(!/Secreto|fbclid|gclid|_fbp/.test(JSON.stringify(site.requests)), JSON.stringify(site.requests, null, 1));
  assert.ok(!/Secreto[12]/.test(await stored(page)));
  for (const event of events) {
    assert.deepEqual(event.touch.first.params, { utm_source: 'Meta', utm_campaign: 'Verao' });
    assert.equal(event.touch.first.landing_url, site.url('/plain?utm_source=Meta&utm_campaign=Verao&plano=pro'));
    assert.equal(event.consent.purposes.marketing, false);
  }
  assert.equal(events[0].page.query, 'utm_source=Meta&utm_campaign=Verao&plano=pro');
  assert.equal(events[2].session_id, events[0].session_id);
  await page.goto(site.url(CAMPAIGN));
  const again = (await site.received(4))[3];
  assert.equal(again.session_id, events[0].session_id, 'the same campaign opens no second session');
  await visitor.close();
});

test('with analytics denied only forms, identities and decisions are sent', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/forms'));
  await page.evaluate(() => {
    window.echolead('consent', 'denied');
    window.echolead('event', 'looked');
    window.echolead('page');
    window.echolead('identify', { email: 'ana@exemplo.com.br' });
  });
  await page.fill('#contato [name=nome]', 'Ana');
  await page.locator('#contato button').click();
  await page.waitForURL('**/plain');
  await site.received(3);
  await site.quiet();
  assert.deepEqual(site.names(), ['consent', 'identify', 'form_submit']);
  assert.equal(new Set(site.events().map((event) => event.tracking_id)).size, 1, 'one page, one pseudonym');
  const kept = await stored(page);
  assert.ok(!/_el=|_elt/.test(kept), kept);
  await visitor.close();
});

test('consent withdrawn holds for what waits in the queue, and at once', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url(CAMPAIGN));
  await site.received(1);
  await visitor.setOffline(true);
  await page.evaluate(() => {
    window.echolead('event', 'looked');
    window.echolead('identify', { email: 'ana@exemplo.com.br' });
    window.echolead('consent', { marketing: false });
    window.echolead('event', 'after_marketing');
    window.echolead('consent', { analytics: false });
    window.echolead('event', 'after_all');
  });
  await visitor.setOffline(false);
  await site.received(4);
  await site.quiet();
  assert.deepEqual(site.names().sort(), ['consent', 'consent', 'identify', 'page_view']);
  assert.ok(!/Secreto/.test(JSON.stringify(site.events().slice(1))));
  assert.ok(!/_el=/.test(await page.evaluate(() => document.cookie)));
  await visitor.close();
});

test('a decision that is misspelt decides nothing, and is not sent', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(site.url(CAMPAIGN));
  await site.received(1);
  const before = await stored(page);
  await page.evaluate(() => {
    const said = ['Granted', 'yes', '', 'constructor', undefined, null, true, 1, [], {}, { analytics: 'no' }, { analytics: 'false' },
      { analytics: 0 }, { analytics: false, marketing: 'denied' }, { analytics: { granted: false } }];
    for (const purposes of said) window.echolead('consent', purposes);
    window.echolead('event', 'looked');
  });
  await site.received(2);
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view', 'looked']);
  assert.equal(site.events()[1].consent, undefined);
  assert.equal(site.events()[1].tracking_id, site.events()[0].tracking_id);
  const cookies = (text) => text.split(';').map((pair) => pair.trim().split('=')[0]).filter((name) => name.startsWith('_el')).sort();
  assert.deepEqual(cookies((await stored(page)).split('{')[0]), cookies(before.split('{')[0]));
  assert.deepEqual(errors, []);
  // And one that is not is taken: a purpose of the tenant's own beside one that the script knows.
  await page.evaluate(() => window.echolead('consent', { marketing: false, 'chat-history': true, ads: undefined }));
  const [, , decided] = await site.received(3);
  assert.deepEqual(decided.consent.purposes, { analytics: true, marketing: false, 'chat-history': true });
  await visitor.close();
});

test('denied by default and granted later, on the same page, keeps the arrival whole', async () => {
  const visitor = await site.visitor();
  site.domain = 'recusa.test';
  const page = await visitor.newPage();
  await page.goto(site.url(CAMPAIGN));
  await site.quiet();
  assert.deepEqual(site.requests, []);
  await page.evaluate(() => window.echolead('consent', 'granted'));
  await page.click('#next');
  await page.waitForURL('**/other');
  const [consent, view] = await site.received(2);
  assert.equal(consent.touch.first.params.fbclid, 'Secreto1');
  assert.equal(view.touch.first.params.gclid, 'Secreto2');
  await visitor.close();
});

test('what was held goes once, with the times at which it happened', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.evaluate(() => window.echolead('event', 'looked'));
  const before = new Date().toISOString();
  await page.waitForTimeout(300);
  await page.evaluate(() => { window.echolead('consent', 'granted'); window.echolead('consent', 'granted'); });
  await site.received(4);
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view', 'looked', 'consent', 'consent']);
  for (const event of site.events().slice(0, 2)) assert.ok(event.occurred_at <= before);
  await visitor.close();
});

test('what was held is forgotten on refusal, also when consent comes later', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.evaluate(() => {
    window.echolead('event', 'looked');
    window.echolead('consent', 'denied');
    window.echolead('consent', 'granted');
    window.echolead('event', 'after');
  });
  await site.received(1, 'after');
  await site.quiet();
  assert.deepEqual(site.names(), ['consent', 'consent', 'after']);
  await visitor.close();
});

for (const [said, domain, attributes, names] of [
  ['denied', 'recusa.test', '', []],
  ['granted', 'acme.test', '', ['page_view']],
  ['denied', 'recusa.test', 'data-consent="granted"', ['page_view']],
  ['granted', 'acme.test', 'data-consent="wait"', []],
  ['wait', 'espera.test', 'data-consent="granted"', ['page_view']],
]) {
  test(`tenant says ${said}, tag says ${attributes || 'nothing'}: ${names.join() || 'nothing'} is sent`, async () => {
    const visitor = await site.visitor();
    site.domain = domain;
    site.attributes = attributes;
    const page = await visitor.newPage();
    await page.goto(site.url('/plain'));
    await site.quiet(700);
    assert.deepEqual(site.names(), names);
    await visitor.close();
  });
}

test('Consent Mode: nothing before the banner\'s update, everything after it, one decision however often it comes', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/banner?utm_source=x&gclid=G1'));
  await site.quiet();
  assert.deepEqual(site.requests, []);
  await page.evaluate(() => {
    for (let i = 0; i < 2; i++) gtag('consent', 'update', { analytics_storage: 'granted', ad_storage: 'granted' });
    dataLayer.push({ event: 'other' });
  });
  await site.received(2);
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view', 'consent']);
  const [view, consent] = site.events();
  assert.equal(view.touch.first.params.gclid, 'G1');
  assert.equal(consent.consent.basis, 'consent_mode');
  await visitor.close();
});

test('Consent Mode: a default, which may be for another region, decides nothing; purposes said one by one are one decision', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/banner'));
  await page.evaluate(() => {
    gtag('consent', 'default', { analytics_storage: 'granted', ad_storage: 'granted', region: ['US'] });
    gtag('consent', 'default', { analytics_storage: 'granted', ad_storage: 'granted' });
  });
  await site.quiet(1200);
  assert.deepEqual(site.requests, []);
  await page.evaluate(() => {
    gtag('consent', 'update', { ad_storage: 'denied' });
    gtag('consent', 'update', { analytics_storage: 'granted' });
  });
  await site.received(1, 'page_view');
  const [consent, ...others] = await site.received(1, 'consent');
  assert.deepEqual([consent.consent.purposes, others], [{ analytics: true, marketing: false }, []]);
  await visitor.close();
});

test('Consent Mode: advertising refused takes the click ids, all refused takes everything', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="wait"';
  const page = await visitor.newPage();
  await page.goto(site.url('/banner?utm_source=x&gclid=Secreto1'));
  await page.evaluate(() => gtag('consent', 'update', { analytics_storage: 'granted', ad_storage: 'denied' }));
  await site.received(2);
  assert.ok(!JSON.stringify(site.requests).includes('Secreto1'));
  await page.evaluate(() => {
    gtag('consent', 'update', { analytics_storage: 'denied', ad_storage: 'denied' });
    window.echolead('event', 'after');
  });
  await site.received(3);
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view', 'consent', 'consent']);
  await visitor.close();
});

test('Consent Mode: on a page that offers a way out, advertising refused leaves the rest as it was', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-consent="granted"';
  const page = await visitor.newPage();
  await page.goto(site.url('/banner'));
  await site.received(1, 'page_view');
  await page.evaluate(() => gtag('consent', 'update', { ad_storage: 'denied' }));
  const [consent] = await site.received(1, 'consent');
  assert.deepEqual(consent.consent.purposes, { analytics: true, marketing: false });
  await page.evaluate(() => window.echolead('event', 'after'));
  await site.received(1, 'after');
  await visitor.close();
});
