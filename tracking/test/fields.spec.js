/** Hidden fields of forms that other systems receive. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const values = (page) => page.$$eval('#other [name]', (fields) => Object.fromEntries(fields.map(({ name, value }) => [name, value])));

test('hidden fields that ask for it carry ids, arrival and first arrival into the form', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain?utm_source=Primeira'), { referer: 'https://blog.test/' });
  await page.goto(site.url('/fields?utm_source=Meta&gclid=AbC_1&fbclid=Fb1'), { referer: 'https://l.facebook.com/' });
  const [, view] = await site.received(2);
  await page.focus('[name=email]');
  const { fbc, ...filled } = await values(page);
  assert.match(fbc, /^fb\.1\.\d+\.Fb1$/);
  assert.deepEqual(filled, {
    email: '', visitor: view.tracking_id, session: view.session_id, source: 'Meta', gclid: 'AbC_1', first_source: 'Primeira',
    first_page: site.url('/plain?utm_source=Primeira'), last_referrer: 'https://l.facebook.com/', nothing: '', own: 'own',
  });
  await visitor.close();
});

test('a field that appears later is filled before the form is sent, however it is sent', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/fields?gclid=AbC_2'));
  await site.received(1);
  const sent = await page.evaluate(() => {
    const form = document.createElement('form');
    form.innerHTML = '<input name="a" value="b"><input type="hidden" name="late" data-echolead="gclid">';
    document.body.append(form);
    let late;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      late = new FormData(form).get('late');
    });
    form.requestSubmit();
    return late;
  });
  assert.equal(sent, 'AbC_2');
  await visitor.close();
});

test('fields stay empty of click ids without marketing, and of everything without analytics', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/fields?utm_source=Meta&gclid=AbC_3'));
  await site.received(1);
  await page.evaluate(() => window.echolead('consent', { marketing: false }));
  await page.focus('[name=email]');
  const some = await values(page);
  assert.equal(some.source, 'Meta');
  assert.equal(some.gclid, '');
  await visitor.close();

  const other = await site.visitor();
  site.attributes = 'data-consent="denied"';
  const denied = await other.newPage();
  await denied.goto(site.url('/fields?utm_source=Meta&gclid=AbC_3'));
  await denied.focus('[name=email]');
  const none = await values(denied);
  assert.deepEqual([none.source, none.gclid, none.visitor, none.nothing], ['', '', '', 'x']);
  await other.close();
});
