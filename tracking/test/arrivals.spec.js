import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

// What the warehouse makes of the same referrers is held against the same file (tests/integration/dbt/test_sources.py).
const referrers = JSON.parse(readFileSync(new URL('../../tests/fixtures/referrers.json', import.meta.url), 'utf8'));

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

test('a paid visit keeps every parameter byte for byte, case and all', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const query = 'utm_source=Google&utm_medium=cpc&utm_campaign=Lan%C3%A7amento+2026&gclid=Abc_123-XyZ&GAD_Source=1&fbclid=IwAR0%2Bx&utm_term=promo%E7%E3o&outro=1';
  await page.goto(site.url(`/plain?${query}#topo`), { referer: 'https://www.google.com/' });
  const [view] = await site.received(1);

  assert.equal(view.name, 'page_view');
  for (const id of ['event_id', 'tracking_id', 'session_id']) assert.match(view[id], UUID7);
  assert.match(view.occurred_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(view.page, {
    url: site.url(`/plain?${query}#topo`), title: 'Página simples', referrer: 'https://www.google.com/', query,
  });
  const { at, cookies, ...first } = view.touch.first;
  assert.equal(typeof at, 'string');
  assert.match(cookies._fbc, /^fb\.1\.\d{13}\.IwAR0\+x$/, 'as Meta\'s script would have written it');
  assert.deepEqual(first, {
    landing_url: site.url(`/plain?${query}#topo`),
    referrer: 'https://www.google.com/',
    params: {
      utm_source: 'Google', utm_medium: 'cpc', utm_campaign: 'Lançamento 2026', gclid: 'Abc_123-XyZ', gad_source: '1',
      fbclid: 'IwAR0+x', utm_term: 'promo%E7%E3o',
    },
  });
  assert.deepEqual(view.touch.last, view.touch.first);
  assert.deepEqual(view.touch.last_non_direct, view.touch.first);
  assert.equal(view.context.language, 'pt-BR');
  assert.equal(view.context.time_zone, 'America/Sao_Paulo');
  assert.match(view.context.screen, /^\d+x\d+$/);
  assert.equal(view.consent, undefined);
  assert.ok(site.requests[0].body.sent_at >= view.occurred_at);
  assert.match(site.requests[0].type, /^text\/plain/);
  await visitor.close();
});

test('a direct visit after an organic one changes the last touch and nothing else', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain'), { referer: 'https://www.google.com/' });
  await site.received(1);
  await page.clock.setSystemTime('2026-03-01T12:00:00Z');
  await page.goto(site.url('/other'));
  const [organic, direct] = await site.received(2);

  assert.notEqual(direct.session_id, organic.session_id);
  assert.equal(direct.tracking_id, organic.tracking_id);
  assert.deepEqual(direct.touch.first, organic.touch.first);
  assert.equal(direct.touch.last.referrer, '');
  assert.deepEqual(direct.touch.last.params, {});
  assert.equal(direct.touch.last.landing_url, site.url('/other'));
  assert.deepEqual(direct.touch.last_non_direct, organic.touch.first);
  await visitor.close();
});

test('a direct first touch is never filled in later', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.goto(site.url('/plain?utm_source=meta&fbclid=X'));
  const [direct, paid] = await site.received(2);

  assert.equal(direct.touch.last_non_direct, undefined);
  assert.deepEqual(paid.touch.first, direct.touch.first);
  assert.equal(paid.touch.last.params.fbclid, 'X');
  assert.notEqual(paid.session_id, direct.session_id, 'a new campaign opens a session');
  await visitor.close();
});

test('a reload and a walk through the site are no new touch and no new session', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=a&gclid=G'), { referer: 'https://www.google.com/' });
  await page.reload();
  await page.click('#next');
  await page.waitForURL('**/other');
  const views = await site.received(3);

  for (const view of views) {
    assert.deepEqual(view.touch, views[0].touch);
    assert.equal(view.session_id, views[0].session_id);
  }
  assert.equal(views[2].page.referrer, site.url('/plain?utm_source=a&gclid=G'));
  await visitor.close();
});

test('a session ends after 30 minutes of silence', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const times = ['10:00:00', '10:29:00', '11:00:01'];
  await page.clock.install({ time: `2026-03-01T${times[0]}Z` });
  for (const time of times) {
    await page.clock.setSystemTime(`2026-03-01T${time}Z`);
    await page.goto(site.url('/plain'));
  }
  const [first, second, third] = await site.received(3);
  assert.equal(second.session_id, first.session_id);
  assert.notEqual(third.session_id, second.session_id);
  await visitor.close();
});

test('a session ends after 24 hours, however busy it is, and the arrival stays', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain?utm_source=a'));
  for (let minutes = 25; minutes < 24 * 60; minutes += 25) {
    await page.clock.setSystemTime(Date.parse('2026-03-01T10:00:00Z') + minutes * 60000);
    await page.evaluate(() => window.echolead('ready', () => {}));
  }
  await page.clock.setSystemTime('2026-03-02T09:59:00Z');
  await page.evaluate(() => window.echolead('event', 'within'));
  await page.clock.setSystemTime('2026-03-02T10:01:00Z');
  await page.evaluate(() => window.echolead('event', 'beyond'));
  await page.clock.setSystemTime('2026-03-02T10:02:00Z');
  await page.evaluate(() => window.echolead('event', 'later'));
  await page.clock.runFor(3000);
  await site.received(1, 'later');
  const [[view], [within], [beyond], [later]] = ['page_view', 'within', 'beyond', 'later'].map((name) => site.events(name));
  assert.equal(later.session_id, beyond.session_id);
  assert.equal(within.session_id, view.session_id);
  assert.notEqual(beyond.session_id, view.session_id);
  assert.equal(beyond.tracking_id, view.tracking_id);
  assert.deepEqual(beyond.touch, view.touch);
  await visitor.close();
});

test('subdomains share the visitor and the touches', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=news&mc_cid=M1'));
  await page.goto(site.url('/other', 'www.acme.test'), { referer: site.url('/plain') });
  const [landing, next] = await site.received(2);

  assert.equal(next.tracking_id, landing.tracking_id);
  assert.equal(next.session_id, landing.session_id);
  assert.deepEqual(next.touch, landing.touch);
  const cookies = await visitor.cookies();
  assert.deepEqual([...new Set(cookies.map((cookie) => cookie.domain))], ['.acme.test']);
  assert.ok(cookies.every((cookie) => cookie.sameSite === 'Lax' && cookie.name.startsWith('_el')));
  assert.ok(!cookies.some((cookie) => cookie.name === '_el0'), 'the trial cookie is gone');
  await visitor.close();
});

test('a public suffix is never the domain of a cookie', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain', 'clinica.acme.test'));
  await site.received(1);
  site.isFirstParty = true; // an address has no subdomains
  await page.goto(site.url('/plain', '127.0.0.1'));
  await site.received(2);
  const domains = (await visitor.cookies()).map((cookie) => cookie.domain);
  assert.deepEqual([...new Set(domains)].sort(), ['.acme.test', '127.0.0.1']);
  await visitor.close();
});

test('ad cookies join the touch when their scripts have set them', async () => {
  const visitor = await site.visitor();
  await visitor.addCookies([{ name: '_ga', value: 'GA1.1.1', url: site.url('/') }, { name: 'other', value: 'x', url: site.url('/') }]);
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?fbclid=F1'));
  await page.evaluate(() => {
    document.cookie = '_fbc=fb.1.170.AbC;path=/';
    window.echolead('event', 'later');
  });
  const [view, later] = await site.received(2);
  assert.equal(view.touch.first.cookies._ga, 'GA1.1.1');
  assert.match(view.touch.first.cookies._fbc, /^fb\.1\.\d+\.F1$/, 'built from the address');
  assert.deepEqual(later.touch.first.cookies, { _ga: 'GA1.1.1', _fbc: 'fb.1.170.AbC' });
  await visitor.close();
});

test('a lost cookie is repaired from localStorage, and the other way round', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=x'));
  await visitor.clearCookies();
  await page.goto(site.url('/other'));
  await page.evaluate(() => localStorage.clear());
  await page.goto(site.url('/plain'));
  const views = await site.received(3);
  assert.equal(new Set(views.map((view) => view.tracking_id)).size, 1);
  assert.equal(views[2].touch.first.params.utm_source, 'x');
  await visitor.close();
});

test('a tampered record starts anew instead of spoiling every event', async () => {
  const visitor = await site.visitor();
  await visitor.addCookies(
    ['_el', '_elt', '_elc'].map((name) => ({ name, value: '%E0%A4%A{"not":ours', domain: '.acme.test', path: '/' })),
  );
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  const [view] = await site.received(1);
  assert.match(view.tracking_id, UUID7);
  await visitor.close();
});

test('with cookies and storage blocked the page still has one visitor', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const devtools = await visitor.newCDPSession(page);
  await devtools.send('Emulation.setDocumentCookieDisabled', { disabled: true });
  await page.addInitScript(() => {
    for (const name of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
    }
  });
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(site.url('/plain?gclid=G9'));
  await page.evaluate(() => window.echolead('event', 'second'));
  const [view, second] = await site.received(2);
  assert.equal(second.tracking_id, view.tracking_id);
  assert.equal(second.session_id, view.session_id);
  assert.equal(second.touch.first.params.gclid, 'G9');
  assert.deepEqual(await visitor.cookies(), []);
  assert.deepEqual(problems, []);
  await visitor.close();
});

test('reset gives the next visitor new ids', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=a'));
  await page.evaluate(() => {
    window.echolead('identify', { email: 'a@b.test' });
    window.echolead('reset');
    window.echolead('event', 'after');
  });
  const [view, identify, next] = await site.received(3);
  assert.equal(identify.tracking_id, view.tracking_id);
  assert.notEqual(next.tracking_id, view.tracking_id);
  assert.notEqual(next.session_id, view.session_id);
  assert.notEqual(next.touch.first.at, undefined);
  assert.equal(next.user, undefined);
  await visitor.close();
});

for (const [where, referrer] of [
  ['a payment page', 'https://checkout.stripe.com/'],
  ['another payment page', 'https://www.mercadopago.com.br/'],
  ['an identity provider', 'https://accounts.google.com/'],
  ['another subdomain', 'http://blog.casa.test/'],
  ['another site of the tenant', 'https://loja.shop.test/'],
]) {
  test(`coming back from ${where} is not an arrival, and never a referrer`, async () => {
    const visitor = await site.visitor();
    site.domain = 'casa.test';
    const page = await visitor.newPage();
    await page.goto(site.url('/plain?utm_source=news'));
    await page.goto(site.url('/other'), { referer: referrer });
    const [landing, back] = await site.received(2, 'page_view');
    assert.deepEqual(back.touch, landing.touch);
    assert.equal(back.session_id, landing.session_id);
    await visitor.clearCookies();
    await page.evaluate(() => localStorage.clear());
    await page.goto(site.url('/plain'), { referer: referrer });
    const [, , fresh] = await site.received(3, 'page_view');
    assert.equal(fresh.touch.last.referrer, '');
    assert.equal(fresh.touch.last_non_direct, undefined);
    await visitor.close();
  });
}

test('click ids of platforms that the contract does not name are kept, and other parameters are not', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?novoclid=N1&sclkid=S1&GAD_novo=2&ref=3&clid_ref=4'));
  const [view] = await site.received(1);
  assert.deepEqual(view.touch.first.params, { novoclid: 'N1', sclkid: 'S1', gad_novo: '2' });
  await visitor.close();
});

test('a payment page or identity provider is one for the warehouse too, and other hosts are referrers', async () => {
  const found = [];
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.addInitScript(() => localStorage.clear());
  for (const { referrer } of referrers) {
    await visitor.clearCookies();
    site.requests = [];
    await page.goto(site.url('/plain'), { referer: referrer });
    const [{ touch }] = await site.received(1, 'page_view');
    assert.equal(touch.last_non_direct?.referrer ?? '', touch.last.referrer);
    found.push({ referrer, is_way_station: touch.last.referrer === '' });
  }
  assert.deepEqual(found, referrers);
  await visitor.close();
});

test('redirects on the way keep the parameters of the last address, and the referrer before them', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const landing = '/plain?utm_source=Mail&gclid=AbC_9';
  await page.goto(site.url(`/redirect?to=${encodeURIComponent(landing)}`), { referer: 'https://news.example/' });
  const [view] = await site.received(1);
  assert.deepEqual(view.touch.first.params, { utm_source: 'Mail', gclid: 'AbC_9' });
  assert.equal(view.touch.first.referrer, 'https://news.example/');
  assert.deepEqual(site.names(), ['page_view']);
  await visitor.close();
});

test('the real _fbc cookie is believed before the one built from the address', async () => {
  const visitor = await site.visitor();
  await visitor.addCookies([{ name: '_fbc', value: 'fb.1.1.Real', url: site.url('/') }]);
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?fbclid=Mine'));
  const [view] = await site.received(1);
  assert.equal(view.touch.first.cookies._fbc, 'fb.1.1.Real');
  await visitor.close();
});

for (const [where, next, referrer] of [
  ['a page of the same host', '/other?utm_source=site&utm_medium=banner', 'http://lp.casa.test/plain'],
  ['another subdomain', '/other?utm_campaign=menu', 'http://blog.casa.test/'],
  ['another site of the tenant', '/other?utm_source=loja#utm_medium=rodape', 'https://loja.shop.test/'],
  ['a link that repeats the click id', '/other?utm_source=site&gclid=AbC_1', 'http://lp.casa.test/plain'],
]) {
  test(`a link with utm parameters from ${where} is no arrival`, async () => {
    const visitor = await site.visitor();
    site.domain = 'casa.test';
    const page = await visitor.newPage();
    await page.goto(site.url('/plain?gclid=AbC_1'), { referer: 'https://www.google.com/' });
    await page.goto(site.url(next), { referer: referrer });
    const [landing, inside] = await site.received(2, 'page_view');
    assert.deepEqual(inside.touch, landing.touch);
    assert.equal(inside.session_id, landing.session_id);
    await visitor.close();
  });
}

test('a link with utm parameters from an own host after a pause opens a session and is no arrival', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.clock.install({ time: '2026-03-01T10:00:00Z' });
  await page.goto(site.url('/plain?gclid=AbC_1'));
  await site.received(1);
  await page.clock.setSystemTime('2026-03-01T11:00:00Z');
  await page.goto(site.url('/other?utm_source=site'), { referer: site.url('/plain') });
  const [landing, later] = await site.received(2, 'page_view');
  assert.deepEqual(later.touch, landing.touch);
  assert.notEqual(later.session_id, landing.session_id);
  await visitor.close();
});

test('a new click id that an own page passes on is an arrival', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=news'));
  await page.goto(site.url('/other?utm_source=Meta&fbclid=Fb1'), { referer: site.url('/redirect') });
  const [, passed] = await site.received(2, 'page_view');
  assert.deepEqual(passed.touch.last.params, { utm_source: 'Meta', fbclid: 'Fb1' });
  assert.equal(passed.touch.last.referrer, '');
  await visitor.close();
});

for (const [from, referrer] of [
  ['a bank', 'https://acs.banco.example/3ds'],
  ['a search', 'https://www.google.com/'],
  ['a mailbox', 'https://mail.example/'],
]) {
  test(`coming back from ${from} within a session is no arrival, and one after it`, async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    await page.clock.install({ time: '2026-03-01T10:00:00Z' });
    await page.goto(site.url('/fields?gclid=AbC_1'), { referer: 'https://www.google.com/' });
    await site.received(1);
    await page.clock.setSystemTime('2026-03-01T10:07:00Z');
    await page.goto(site.url('/fields'), { referer: referrer });
    const [landing, back] = await site.received(2, 'page_view');
    assert.deepEqual(back.touch, landing.touch);
    assert.equal(back.session_id, landing.session_id);
    assert.equal(back.page.referrer, referrer);
    assert.equal(await page.inputValue('[name=gclid]'), 'AbC_1');
    await page.clock.setSystemTime('2026-03-01T10:38:00Z');
    await page.goto(site.url('/plain'), { referer: referrer });
    const [, , later] = await site.received(3, 'page_view');
    assert.equal(later.touch.last.referrer, referrer);
    assert.notEqual(later.session_id, landing.session_id);
    await visitor.close();
  });
}

test('a campaign within a session is an arrival, wherever its link is', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?gclid=AbC_1'));
  await page.goto(site.url('/plain#utm_source=jornal'), { referer: 'https://jornal.example/' });
  const [landing, second] = await site.received(2, 'page_view');
  assert.deepEqual(second.touch.last.params, { utm_source: 'jornal' });
  assert.equal(second.touch.last.referrer, 'https://jornal.example/');
  assert.notEqual(second.session_id, landing.session_id);
  await visitor.close();
});

test('of two tabs each event carries the arrival of its tab', async () => {
  const visitor = await site.visitor();
  const [a, b] = [await visitor.newPage(), await visitor.newPage()];
  await a.goto(site.url('/plain?utm_campaign=a'));
  await site.received(1);
  await b.goto(site.url('/plain?utm_campaign=b'));
  await site.received(2);
  for (const [page, name] of [[a, 'in_a'], [b, 'in_b'], [a, 'again_in_a']]) {
    await page.evaluate((event) => window.echolead('event', event), name);
    await site.received(1, name);
  }
  const campaigns = Object.fromEntries(site.events().map(({ name, touch }) => [name, [touch.first.params.utm_campaign, touch.last.params.utm_campaign]]));
  assert.deepEqual(campaigns, { page_view: ['a', 'b'], in_a: ['a', 'a'], in_b: ['a', 'b'], again_in_a: ['a', 'a'] });
  await visitor.close();
});
