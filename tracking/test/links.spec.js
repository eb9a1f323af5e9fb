import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const CODE = /^[0-9a-f]{8}$/;

async function linksPage(attributes = '') {
  const visitor = await site.visitor();
  site.attributes = attributes;
  const page = await visitor.newPage();
  await page.goto(site.url('/links'));
  return { visitor, page };
}

test('clicks that lead away are events of their kind, and clicks within the site are none', async () => {
  const { visitor, page } = await linksPage();
  await site.received(1);
  for (const id of ['out', 'own', 'blog', 'fragment', 'button', 'file', 'tel', 'mail']) await page.click(`#${id}`);
  const clicks = await site.received(4, 'click');
  await site.quiet();
  assert.deepEqual(clicks.map(({ properties }) => properties), [
    { kind: 'outbound', url: 'http://fora.test/artigo?a=1' },
    { kind: 'download', url: site.url('/arquivos/Tabela.PDF?v=2') },
    { kind: 'tel', url: 'tel:+5511987654321' },
    { kind: 'mailto', url: 'mailto:oi@acme.test' },
  ]);
  assert.equal(site.events('click').length, 4);
  await visitor.close();
});

test('a WhatsApp link carries a code that the click event has too, once, the same all session', async () => {
  const { visitor, page } = await linksPage();
  await site.received(1);
  for (const id of ['wame', 'wame-text', 'api', 'app', 'wame-text']) await page.click(`#${id}`);
  const clicks = await site.received(5, 'click');
  const codes = new Set(clicks.map(({ properties }) => properties.whatsapp_code));
  assert.equal(codes.size, 1);
  const [code] = codes;
  assert.match(code, CODE);
  assert.ok(clicks.every(({ properties }) => properties.kind === 'whatsapp'));
  const text = (id) => page.$eval(`#${id}`, (link) => new URL(link.href).searchParams.get('text'));
  assert.equal((await text('wame')).trim(), `[#${code}]`);
  assert.equal(await text('wame-text'), `Olá, quero 1+1 [#${code}]`);
  assert.equal(await text('api'), `Oi [#${code}]`);
  assert.equal(await text('app'), `Oi [#${code}]`);
  assert.match(await page.$eval('#api', (link) => link.href), /phone=5511987654321&text=Oi%20.*&app_absent=0$/);
  assert.ok(!(await page.$eval('#wame-text', (link) => link.href)).includes('+'), 'spaces are %20: apps do not all read +');

  await page.reload();
  await page.click('#wame');
  const again = (await site.received(6, 'click'))[5];
  assert.equal(again.properties.whatsapp_code, code);
  await page.evaluate(() => window.echolead('reset'));
  await page.click('#api');
  assert.notEqual((await site.received(7, 'click'))[6].properties.whatsapp_code, code, 'another visitor has another code');
  await visitor.close();
});

test('a host whose name only ends like WhatsApp\'s is another site', async () => {
  const { visitor, page } = await linksPage();
  await page.click('#lookalike');
  const [click] = await site.received(1, 'click');
  assert.deepEqual(click.properties, { kind: 'outbound', url: 'http://naowhatsapp.com/?text=Oi' });
  await visitor.close();
});

test('with analytics denied a WhatsApp link stays as it is and no click is sent', async () => {
  const { visitor, page } = await linksPage('data-consent="denied"');
  await page.click('#wame-text');
  await page.click('#out');
  await site.quiet();
  assert.equal(await page.getAttribute('#wame-text', 'href'), 'https://wa.me/5511987654321?text=Ol%C3%A1%2C%20quero%201%2B1');
  assert.deepEqual(site.requests, []);
  await visitor.close();
});

test('a click that leaves the page arrives', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/plain'));
  await site.received(1);
  await page.click('#out');
  const [click] = await site.received(1, 'click');
  assert.equal(click.properties.url, 'http://fora.test/');
  await visitor.close();
});
