import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

const calls = (page, name) => page.evaluate((only) => window.calls.filter((call) => !only || call[0] === only), name);

async function chatPage(path = '/chat', options = {}) {
  const visitor = await site.visitor();
  site.attributes = options.attributes || '';
  const page = await visitor.newPage();
  await page.goto(site.url(path), { referer: options.referer });
  await page.evaluate(() => window.startWidget());
  return { visitor, page };
}

test('a ready widget gets where the visitor came from, and not who they are', async () => {
  const { visitor, page } = await chatPage('/chat?utm_source=Google%20Ads&utm_medium=cpc&utm_campaign=Verão&gclid=Abc_1');
  assert.deepEqual(await calls(page), [], 'not before it is ready');
  await page.evaluate(() => window.widgetReady());
  const origin = {
    source: 'Google Ads', medium: 'cpc', campaign: 'Verão', gclid: 'Abc_1', first_landing_page: site.url('/chat'),
  };
  assert.deepEqual(await calls(page), [['setCustomAttributes', origin]], 'there is no conversation yet');
  await page.reload();
  await page.evaluate(() => { window.startWidget(); window.widgetReady(); });
  await site.quiet(100);
  assert.deepEqual(await calls(page), [], 'once, not on every page');
  await visitor.close();
});

for (const [path, referer, source] of [
  ['/chat', 'https://www.google.com/', 'www.google.com'],
  ['/chat?gclid=X', 'https://www.google.com/', 'google'],
  ['/chat?fbclid=X', undefined, 'facebook'],
  ['/chat', undefined, 'direct'],
]) {
  test(`without utm_source the source of ${path} from ${referer ?? 'nowhere'} is ${source}`, async () => {
    const { visitor, page } = await chatPage(path, { referer });
    await page.evaluate(() => window.widgetReady());
    await site.quiet(50);
    assert.equal((await calls(page, 'setCustomAttributes')).at(-1)[1].source, source);
    await visitor.close();
  });
}

test('a visitor who identified themself and talks is the widget\'s contact, which is updated when they say more', async () => {
  const { visitor, page } = await chatPage();
  await page.evaluate(() => window.echolead('identify', { email: 'ana@exemplo.com.br', name: 'Ana', phone: '(11) 98765-4321' }));
  const [view] = await site.received(2);
  await page.evaluate(() => window.widgetReady());
  assert.deepEqual(await calls(page, 'setUser'), [], 'a form alone makes no contact of the widget\'s');
  await page.evaluate(() => window.say(1));
  await site.received(1, 'chat_start');
  assert.deepEqual(await calls(page, 'setUser'), [
    ['setUser', view.tracking_id, { name: 'Ana', email: 'ana@exemplo.com.br' }],
  ]);
  await page.evaluate(() => window.echolead('identify', { name: 'Ana Souza' }));
  await site.received(2, 'identify');
  assert.equal((await calls(page, 'setUser')).at(-1)[2].name, 'Ana Souza');
  await visitor.close();
});

test('a form of another page identifies the visitor where the widget is', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/forms'));
  await page.fill('#contato [name=nome]', 'Ana');
  await page.fill('#contato [name=e-mail]', 'ana@exemplo.com.br');
  await page.locator('#contato button').click();
  await page.waitForURL('**/plain');
  await page.goto(site.url('/chat'));
  await page.evaluate(() => { window.startWidget(); window.widgetReady(); window.say(2); });
  await site.received(1, 'chat_start');
  const [, , user] = (await calls(page, 'setUser'))[0];
  assert.deepEqual(user, { name: 'Ana', email: 'ana@exemplo.com.br' });
  await visitor.close();
});

test('opening is an event, pressing start is none, and the first message of a conversation is its start', async () => {
  const { visitor, page } = await chatPage('/chat?utm_source=x');
  await page.evaluate(() => { window.widgetReady(); window.open_(); window.press(); });
  await site.received(1, 'chat_open');
  await site.quiet(200);
  assert.deepEqual(site.names(), ['page_view', 'chat_open']);
  assert.deepEqual(await calls(page, 'setUser'), []);

  await page.evaluate(() => { window.calls.length = 0; window.say(7); window.agentSays(7); window.say(7); });
  const [start] = await site.received(1, 'chat_start');
  assert.deepEqual(start.properties, { conversation_id: '7' });
  assert.deepEqual(start.user ?? {}, {});
  assert.deepEqual((await calls(page)).map(([name]) => name), [
    'setUser', 'setCustomAttributes', 'setConversationCustomAttributes',
  ]);
  assert.deepEqual((await calls(page, 'setUser'))[0], ['setUser', start.tracking_id, { name: 'calm-river-12' }]);

  await page.reload();
  await page.evaluate(() => { window.startWidget(); window.widgetReady(); window.say(7); window.say(8); });
  await site.received(2, 'chat_start');
  await site.quiet();
  assert.deepEqual(site.events('chat_start').map((event) => event.properties.conversation_id), ['7', '8']);
  await visitor.close();
});

test('a contact who gave an e-mail before the chat is identified by it', async () => {
  const { visitor, page } = await chatPage();
  await page.evaluate(() => {
    window.widgetReady();
    window.say(3, { name: 'Bruno', email: 'bruno@exemplo.com.br', phone_number: '+5521998765432' });
  });
  const [start] = await site.received(1, 'chat_start');
  assert.deepEqual(start.user, { name: 'Bruno', email: 'bruno@exemplo.com.br', phone: '+5521998765432' });
  assert.deepEqual((await calls(page, 'setUser'))[0][2], {
    name: 'Bruno', email: 'bruno@exemplo.com.br',
  });
  await visitor.close();
});

test('a widget without a name of its own for the visitor gets one', async () => {
  const { visitor, page } = await chatPage();
  await page.evaluate(() => { window.widgetReady(); window.say(4, {}); });
  const [start] = await site.received(1, 'chat_start');
  assert.deepEqual(await calls(page, 'setUser'), [['setUser', start.tracking_id, { name: 'Visitante' }]]);
  await visitor.close();
});

test('with marketing denied the widget learns who talks and nothing of where from', async () => {
  const { visitor, page } = await chatPage('/chat?utm_source=x&gclid=Y');
  await page.evaluate(() => {
    window.echolead('consent', { marketing: false });
    window.widgetReady();
    window.say(5, { name: 'Carla', email: 'carla@exemplo.com.br' });
  });
  await site.received(1, 'chat_start');
  assert.deepEqual((await calls(page)).map(([name]) => name), ['setUser']);
  await visitor.close();
});

test('a widget that throws, one that is not there, and one switched off change nothing', async () => {
  const { visitor, page } = await chatPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.evaluate(() => {
    for (const name of ['setUser', 'setCustomAttributes', 'setLabel', 'reset']) {
      window.$chatwoot[name] = () => { throw new Error('from the widget'); };
    }
    window.widgetReady();
    window.say(6);
    window.echolead('identify', { name: 'Ana' });
    window.echolead('reset');
    delete window.$chatwoot;
    window.dispatchEvent(new CustomEvent('chatwoot:ready'));
    window.dispatchEvent(new CustomEvent('chatwoot:on-message'));
    window.echolead('event', 'after');
  });
  await site.received(1, 'after');
  assert.deepEqual(problems, []);
  await visitor.close();

  const off = await chatPage('/chat?utm_source=x', { attributes: 'data-chatwoot="off"' });
  await off.page.evaluate(() => { window.widgetReady(); window.open_(); window.say(9); window.echolead('reset'); });
  await site.quiet(200);
  assert.deepEqual(site.names(), ['page_view']);
  assert.deepEqual(await calls(off.page), []);
  await off.visitor.close();
});

test('where Chatwoot checks identities, the first message asks for the hash, and setUser waits for it', async () => {
  const visitor = await site.visitor();
  site.domain = 'prova.test';
  site.isFirstParty = true;
  const page = await visitor.newPage();
  await page.goto(site.url('/chat'));
  await page.evaluate(() => { window.startWidget(); window.widgetReady(); });
  await site.received(1, 'page_view');
  assert.equal(site.identityRequests.length, 1, 'the cookie is set first');
  await page.evaluate(() => window.say(1));
  const [start] = await site.received(1, 'chat_start');
  await page.waitForFunction(() => window.calls.some(([name]) => name === 'setUser'));
  const identifier_hash = createHmac('sha256', site.collector.chatwoot_hmac_token).update(start.tracking_id).digest('hex');
  assert.deepEqual(await calls(page, 'setUser'), [
    ['setUser', start.tracking_id, { name: 'calm-river-12', identifier_hash }],
  ]);
  assert.equal(site.identityRequests.length, 2);
  await visitor.close();
});
