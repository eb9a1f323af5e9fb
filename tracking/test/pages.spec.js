import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

test('a single-page application has one view for each page, with its title and the page before', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/spa?utm_source=Meta&fbclid=Ab1'), { referer: 'https://l.facebook.com/' });
  await site.received(1);
  await page.evaluate(() => go('/spa/planos', 'Planos'));
  await site.received(2);
  await page.evaluate(() => {
    go('/spa/entrada', 'Passagem');
    history.replaceState({}, '', '/spa/checkout'); // a redirect within the application
    document.title = 'Checkout';
  });
  await site.received(3);
  await page.evaluate(() => {
    history.replaceState({ scroll: 10 }, '', location.href);
    history.replaceState({}, '', '/spa/checkout?cupom=1');
    history.pushState({}, '', '#detalhes');
  });
  await site.quiet();
  await page.goBack();
  await page.goBack();
  const views = await site.received(4);
  await site.quiet();

  assert.deepEqual(site.names(), ['page_view', 'page_view', 'page_view', 'page_view']);
  assert.deepEqual(views.map((view) => new URL(view.page.url).pathname), ['/spa', '/spa/planos', '/spa/checkout', '/spa/planos']);
  assert.deepEqual(views.map((view) => view.page.title).slice(0, 3), ['Início', 'Planos', 'Checkout']);
  assert.equal(views[0].page.referrer, 'https://l.facebook.com/');
  assert.equal(new URL(views[1].page.referrer).pathname, '/spa');
  assert.equal(views[0].touch.first.params.fbclid, 'Ab1', 'taken before the router tidied the address');
  assert.deepEqual(views[3].touch.last.params, views[0].touch.last.params);
  await visitor.close();
});

test('a route in the fragment is a page', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain#/inicio'));
  await site.received(1);
  await page.evaluate(() => { location.hash = '#/contato'; });
  await site.received(2);
  await page.evaluate(() => { location.hash = '#topo'; });
  await site.quiet();
  assert.deepEqual(site.events().map((view) => new URL(view.page.url).hash).slice(0, 2), ['#/inicio', '#/contato']);
  await visitor.close();
});

test('a page that counts for itself sends only what it counts', async () => {
  const visitor = await site.visitor();
  site.attributes = 'data-pages="off"';
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.evaluate(() => history.pushState({}, '', '/outra'));
  await site.quiet();
  assert.deepEqual(site.names(), []);
  await page.evaluate(() => window.echolead('page', { secao: 'planos' }));
  const [view] = await site.received(1);
  assert.equal(view.name, 'page_view');
  assert.deepEqual(view.properties, { secao: 'planos' });
  await visitor.close();
});

test('calls made before the script loads are kept, in order', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/queued'));
  const [view, identify, quote] = await site.received(3);
  assert.deepEqual([view.name, identify.name, quote.name], ['page_view', 'identify', 'quote_requested']);
  assert.deepEqual(identify.user, { email: 'Ana@Exemplo.com.br', name: 'Ana' });
  assert.deepEqual(quote.properties, { plan: 'pro' });
  const ids = await page.waitForFunction(() => window.ids).then((handle) => handle.jsonValue());
  assert.deepEqual(ids, { tracking_id: view.tracking_id, session_id: view.session_id });
  await visitor.close();
});

test('a visitor identified on every page is sent once', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/queued'));
  await site.received(3);
  await page.goto(site.url('/queued'));
  await site.received(5);
  await page.evaluate(() => window.echolead('identify', { phone: '11 98765-4321' }));
  await site.received(2, 'identify');
  await site.quiet();
  assert.deepEqual(site.events('identify').map((event) => event.user), [
    { email: 'Ana@Exemplo.com.br', name: 'Ana' }, { phone: '11 98765-4321' },
  ]);
  await visitor.close();
});

test('the tag twice on a page counts once', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await page.addScriptTag({ url: site.url('/t.js', 'c.acme.test') });
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view']);
  await visitor.close();
});

test('a strict content security policy is enough for it', async () => {
  const visitor = await site.visitor();
  const collector = site.url('', 'c.acme.test');
  site.headers = { 'Content-Security-Policy': `default-src 'none'; script-src ${collector}; connect-src ${collector}; require-trusted-types-for 'script'` };
  const page = await visitor.newPage();
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.click('#next');
  await site.received(2);
  assert.deepEqual(problems.filter((text) => !/favicon/.test(text)), []);
  await visitor.close();
});

test('a page that breaks fetch and beacons sees no error of ours, and keeps its own', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/hostile'));
  await page.evaluate(() => {
    const circle = {};
    circle.self = circle;
    window.echolead('event', 'circle', circle);
    window.echolead('no_such_command', 1);
    window.echolead();
    window.echolead('identify');
    window.echolead('consent');
    window.echolead('ready');
    window.echolead('event', 'symbol', { now: 10n });
    dispatchEvent(new Event('pagehide'));
    try {
      history.pushState({}, '', 'http://elsewhere.test/');
    } catch (error) {
      window.problems.push(error.name);
    }
  });
  await site.quiet();
  const problems = await page.evaluate(() => window.problems);
  assert.deepEqual(problems, ["Uncaught Error: the page's own", 'SecurityError']);
  assert.deepEqual(site.names(), []);
  await visitor.close();
});

test('a page whose functions cannot be replaced is counted, and its forms are as well', async () => {
  const visitor = await site.visitor();
  site.domain = 'casa.test'; // whose script replaces `window.open`
  const page = await visitor.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.addInitScript(() => {
    for (const [owner, name] of [[window, 'open'], [HTMLFormElement.prototype, 'submit']]) {
      const own = owner[name];
      Object.defineProperty(owner, name, { get: () => own, set() { throw new Error('mine'); } });
    }
  });
  await page.goto(site.url('/forms'));
  await site.received(1, 'page_view');
  await page.fill('#english [name=your-email]', 'ana@exemplo.com.br');
  await page.click('#english button');
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual([submit.user, problems], [{ email: 'ana@exemplo.com.br' }, []]);
  await visitor.close();
});

test('a callback that throws is the page\'s error and stops nothing', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(site.url('/plain'));
  await page.evaluate(() => {
    window.echolead('ready', () => { throw new Error('mine'); });
    window.echolead('event', 'still_sent');
  });
  await site.received(1, 'still_sent');
  await site.quiet(100);
  assert.deepEqual(problems, ['mine']);
  await visitor.close();
});

test('an application that also counts by itself is not counted twice', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/spa'));
  await site.received(1);
  await page.evaluate(() => { go('/spa/planos', 'Planos'); window.echolead('page'); });
  await site.received(2);
  await page.evaluate(() => { history.replaceState({}, '', '/spa/planos?aba=2'); history.replaceState({}, '', '/spa/planos'); });
  await site.quiet(1500);
  assert.equal(site.events('page_view').length, 2);
  await visitor.close();
});

test('a page that comes back from the browser\'s page cache is a view, and its script still works', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.evaluate(() => {
    // Chromium's headless mode keeps no page cache: the event that a kept page gets is what counts here.
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
  });
  await site.received(2, 'page_view');
  await page.evaluate(() => window.echolead('event', 'alive'));
  await site.received(1, 'alive');
  await site.quiet(1200);
  assert.equal(site.events('page_view').length, 2);
  assert.equal(site.events('page_view')[0].session_id, site.events('page_view')[1].session_id);
  await visitor.close();
});

test('several pages in a row are one view each, of one visitor and session, in order', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  for (const path of ['/plain', '/other', '/links', '/fields', '/plain']) await page.goto(site.url(path));
  const views = await site.received(5);
  await site.quiet();
  assert.deepEqual(views.map((view) => new URL(view.page.url).pathname), ['/plain', '/other', '/links', '/fields', '/plain']);
  assert.equal(new Set(views.map((view) => view.tracking_id + view.session_id)).size, 1);
  await visitor.close();
});

test('a page with an error of its own is tracked, and its error stays its own', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  // The click leads away, to a page that is not part of this test.
  await page.addInitScript(() => location.pathname === '/plain' && setTimeout(() => { throw new Error('of the page'); }, 5));
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.evaluate(() => addEventListener('click', () => { throw new Error('in a handler'); }, true));
  await page.click('#out');
  await site.received(1, 'click');
  assert.deepEqual(problems, ['of the page', 'in a handler']);
  await visitor.close();
});

test('a page of 5,000 nodes has no long task of ours', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/large?utm_source=x'));
  await site.received(1);
  // All that the script does while a page is used, timed from outside: each is one task of the browser.
  const longest = await page.evaluate(async () => {
    const form = document.forms[0];
    const tasks = {
      move: () => document.body.dispatchEvent(new PointerEvent('pointermove', { bubbles: true })),
      scroll: () => dispatchEvent(new Event('scroll')),
      focus: () => form.elements[7].focus(),
      input: () => form.elements[7].dispatchEvent(new InputEvent('input', { bubbles: true })),
      click: () => document.querySelector('a').click(),
      event: () => window.echolead('event', 'measured'),
      submit: () => form.requestSubmit(),
      leave: () => dispatchEvent(new PageTransitionEvent('pagehide')),
    };
    const took = {};
    for (const [name, task] of Object.entries(tasks)) {
      const times = [];
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        task();
        await null; // what the script put off until the task's end
        times.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 20));
      }
      took[name] = times.sort((a, b) => a - b)[2]; // the middle one: a busy machine makes outliers
    }
    return took;
  });
  for (const [name, ms] of Object.entries(longest)) assert.ok(ms < 50, `${name} took ${ms} ms`);
  await visitor.close();
});
