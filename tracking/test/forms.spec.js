import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openSite } from './site.js';

let site;
before(async () => { site = await openSite(); });
after(() => site.close());

async function formsPage() {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  await page.goto(site.url('/forms'));
  await site.received(1);
  return { visitor, page };
}

test('a form in Portuguese that leaves the page', async () => {
  const { visitor, page } = await formsPage();
  const form = page.locator('#contato');
  await form.locator('[name=nome]').fill(' Ana Souza ');
  await form.locator('[name=e-mail]').fill('Ana@Exemplo.com.br');
  await form.locator('[name=telefone]').fill('(11) 98765-4321');
  await form.locator('[name=empresa]').fill('Clínica Bem-te-vi');
  await form.locator('[name=mensagem]').fill('Quero saber o preço 🙂');
  await form.locator('button').click();
  await page.waitForURL('**/plain');
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual(submit.user, { name: 'Ana Souza', email: 'Ana@Exemplo.com.br', phone: '(11) 98765-4321' });
  assert.deepEqual(submit.properties, {
    form_id: 'contato', fields: { empresa: 'Clínica Bem-te-vi', cargo: 'ceo', mensagem: 'Quero saber o preço 🙂' },
  });
  await site.received(4);
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view', 'form_start', 'form_submit', 'page_view']);
  await visitor.close();
});

test('a form in English sent by the page itself, which empties it at once', async () => {
  const { visitor, page } = await formsPage();
  const form = page.locator('#english');
  await form.locator('[name=first_name]').fill('John');
  await form.locator('[name=last_name]').fill('Smith');
  await form.locator('[name=your-email]').fill('john@example.com');
  await form.locator('[name=mobile_number]').fill('+1 555 010 9999');
  await form.locator('[name=company_name]').fill('Acme Inc');
  await form.locator('button').click();
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual(submit.user, { name: 'John Smith', email: 'john@example.com', phone: '+1 555 010 9999' });
  assert.deepEqual(submit.properties.fields, { company_name: 'Acme Inc' });
  await visitor.close();
});

test('a page builder\'s form, whose fields only their labels explain', async () => {
  const { visitor, page } = await formsPage();
  await page.fill('#f1', 'Bruno Lima');
  await page.fill('#f2', 'bruno@exemplo.com.br');
  await page.fill('[placeholder="WhatsApp com DDD"]', '21 99876 5432');
  await page.fill('#f4', 'Lima Ltda');
  await page.locator('#built button').click();
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual(submit.user, { name: 'Bruno Lima', email: 'bruno@exemplo.com.br', phone: '21 99876 5432' });
  assert.deepEqual(submit.properties.fields, { 'form_fields[field_7a4]': 'Lima Ltda' });
  await visitor.close();
});

test('passwords, cards, documents, codes, hidden and ignored fields are never sent', async () => {
  const { visitor, page } = await formsPage();
  const form = page.locator('#secret');
  const secrets = {
    senha: 'minha-senha-1', password: 'minha-senha-2', numero: '4111111111111111', cvv: '737', cpf: '529.982.247-25',
    observacao: '4111 1111 1111 1111', codigo: '884422', reservado: 'nao-enviar',
  };
  await form.locator('[name=email]').fill('ana@exemplo.com.br');
  for (const [name, value] of Object.entries(secrets)) await form.locator(`[name=${name}]`).fill(value);
  await form.locator('button').click();
  const [submit] = await site.received(1, 'form_submit');
  assert.deepEqual(submit.user, { email: 'ana@exemplo.com.br' });
  assert.deepEqual(submit.properties.fields, {});
  const sent = JSON.stringify(site.requests);
  for (const value of [...Object.values(secrets), 'segredo-1']) assert.ok(!sent.includes(value), value);
  await visitor.close();
});

test('an ignored form is not seen at all', async () => {
  const { visitor, page } = await formsPage();
  await page.fill('#ignored [name=email]', 'ana@exemplo.com.br');
  await page.locator('#ignored button').click();
  await site.quiet();
  assert.deepEqual(site.names(), ['page_view']);
  await visitor.close();
});

test('a form sent by code counts, and a form sent twice counts once', async () => {
  const { visitor, page } = await formsPage();
  await page.fill('#english [name=your-email]', 'ana@exemplo.com.br');
  await page.locator('#english').evaluate((form) => {
    form.addEventListener('reset', (event) => event.preventDefault());
    for (let i = 0; i < 3; i++) form.requestSubmit();
  });
  await site.received(1, 'form_submit');
  await page.fill('#by-code [name=email]', 'bia@exemplo.com.br');
  await page.locator('#by-code').evaluate((form) => form.submit());
  await page.waitForURL('**/plain');
  const submits = await site.received(2, 'form_submit');
  await site.quiet();
  assert.deepEqual(submits.map((event) => event.user.email), ['ana@exemplo.com.br', 'bia@exemplo.com.br']);
  assert.equal(new Set(site.events('form_submit').map((event) => event.event_id)).size, 2);
  await visitor.close();
});
