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

/** What a browser's `autocomplete` property says of a field that has the attribute. */
const KNOWN = {
  'a browser knows': () => {},
  'Firefox knows': () => {
    const { get } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'autocomplete');
    Object.defineProperty(HTMLInputElement.prototype, 'autocomplete', {
      get() { return get.call(this).replace(/^(cc-csc|one-time-code)$/, ''); },
    });
  },
};

for (const [what, limit] of Object.entries(KNOWN)) test(`passwords, cards, documents, codes, hidden and ignored fields are never sent, of purposes that ${what}`, async () => {
  const { visitor, page } = await formsPage();
  await page.evaluate(limit);
  const form = page.locator('#secret');
  const secrets = {
    senha: 'minha-senha-1', password: 'minha-senha-2', numero: '4111111111111111', cvv: 'cvv 737', cpf: '529.982.247-25',
    observacao: '4111 1111 1111 1111', codigo: 'codigo 884422', verso: 'verso 973', reservado: 'nao-enviar',
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

const EMAIL = 'ana@exemplo.com.br';
const email = '<input name="email" type="email">';
/** What a form is made of, what is typed into it, and what of it may leave. */
const KINDS = [
  ['an e-mail alone', email, { email: EMAIL }, { user: { email: EMAIL } }],
  ['an e-mail in a text field', '<input name="contact" placeholder="Seu e-mail">', { contact: EMAIL }, { user: { email: EMAIL } }],
  ['a phone by its type', '<input name="x1" type="tel">', { x1: '(11) 98765-4321' }, { user: { phone: '(11) 98765-4321' } }],
  ['a phone by its name', '<input name="celular">', { celular: '11987654321' }, { user: { phone: '11987654321' } }],
  ['a number field for WhatsApp', '<input name="whatsapp" type="number">', { whatsapp: '5511987654321' }, { user: { phone: '5511987654321' } }],
  ['first and last name', '<input name="nome"><input name="sobrenome">', { nome: 'Ana', sobrenome: 'Souza' }, { user: { name: 'Ana Souza' } }],
  ['a name by its autocomplete', '<input name="f7" autocomplete="name">', { f7: 'Ana' }, { user: { name: 'Ana' } }],
  ['a company, which is not a name', `${email}<input name="nome_da_empresa">`, { email: EMAIL, nome_da_empresa: 'Acme' },
    { user: { email: EMAIL }, fields: { nome_da_empresa: 'Acme' } }],
  ['a long text', `${email}<textarea name="mensagem"></textarea>`, { mensagem: 'Quanto custa?\nObrigada' }, { fields: { mensagem: 'Quanto custa?\nObrigada' } }],
  ['a choice', '<select name="plano"><option>basico<option>pro</select>', { plano: 'pro' }, { fields: { plano: 'pro' } }],
  ['a box ticked and one not', '<input type="checkbox" name="novidades" value="sim" checked><input type="checkbox" name="outra" value="sim">', {}, { fields: { novidades: 'sim' } }],
  ['a radio button', '<input type="radio" name="turno" value="manha"><input type="radio" name="turno" value="tarde" checked>', {}, { fields: { turno: 'tarde' } }],
  ['a date', '<input type="date" name="dia">', { dia: '2026-03-01' }, { fields: { dia: '2026-03-01' } }],
  ['a web address', '<input type="url" name="site">', { site: 'https://exemplo.com.br/' }, { fields: { site: 'https://exemplo.com.br/' } }],
  ['a password', `${email}<input name="a" type="password">`, { email: EMAIL, a: 'segredo' }, { user: { email: EMAIL } }],
  ['a card', '<input name="card_number"><input name="n2" autocomplete="cc-csc">', { card_number: '4111111111111111', n2: '123' }, {}],
  ['a card number in a free text', '<input name="nota">', { nota: '4111-1111-1111-1111' }, {}],
  ['a document number', '<input name="cpf"><input name="d2" placeholder="RG">', { cpf: '52998224725', d2: '123456789' }, {}],
  ['a hidden field', `${email}<input type="hidden" name="csrf" value="segredo">`, { email: EMAIL }, { user: { email: EMAIL } }],
  ['fields left out by the page', `${email}<div data-el-ignore><input name="renda"></div>`, { email: EMAIL, renda: '9000' }, { user: { email: EMAIL } }],
  ['fields that shadow the form\'s own', `<input name="id"><input name="action"><input name="submit">${email}`, { id: 'meu', email: EMAIL },
    { user: { email: EMAIL }, fields: { id: 'meu' } }],
  ['an emoji cut in half by the limit', '<input name="texto">', { texto: 'x'.repeat(999) + '🙂' }, { fields: { texto: 'x'.repeat(999) } }],
];
/** Ways in which pages send forms; each kind is sent in one of them, in turn. */
// By code no answer is awaited: when the page goes before the answer of `evaluate`, it never comes.
const WAYS = {
  'by its button': (page) => page.click('#kind button'),
  'by Enter': (page) => page.locator('#kind button').press('Enter'),
  'by code': (page) => void page.evaluate(() => document.getElementById('kind').requestSubmit()).catch(() => {}),
  'past its handlers': (page) => void page.evaluate(() => HTMLFormElement.prototype.submit.call(document.getElementById('kind'))).catch(() => {}),
};

for (const [i, [kind, fields, typed, expected]] of KINDS.entries()) {
  const [way, send] = Object.entries(WAYS)[i % 4];
  test(`a form with ${kind}, sent ${way}`, async () => {
    const visitor = await site.visitor();
    const page = await visitor.newPage();
    await page.goto(site.url('/plain'));
    await site.received(1);
    await page.evaluate(([html, stays]) => {
      document.body.insertAdjacentHTML('beforeend', `<form id="kind" method="post" action="/enviar" novalidate>${html}<button>ok</button></form>`);
      if (stays) document.getElementById('kind').addEventListener('submit', (event) => event.preventDefault());
    }, [fields, way === 'by code']);
    for (const [name, value] of Object.entries(typed)) {
      const field = page.locator(`#kind [name="${name}"]`);
      if (await field.evaluate((element) => element.tagName === 'SELECT')) await field.selectOption(value);
      else await field.fill(value);
    }
    await send(page);
    const [submit] = await site.received(1, 'form_submit');
    await site.quiet(200);
    assert.deepEqual(submit.user, expected.user ?? {});
    assert.deepEqual(submit.properties, { form_id: 'kind', fields: expected.fields ?? {} });
    assert.equal(new Set(site.events('form_submit').map((event) => event.event_id)).size, 1);
    assert.equal(site.events('form_start').length, Object.keys(typed).length ? 1 : 0, 'begun once, with the first field');
    await visitor.close();
  });
}

test('a phone field may hold a remark or a second number, and no number of a card', async () => {
  const visitor = await site.visitor();
  const page = await visitor.newPage();
  const typed = ['11 98765-4321 (zap)', '11 98765-4321 / 11 3456-7890', '11 98765-4321 / 3456-7890', '+55 (11) 98765-4321'];
  for (const phone of [...typed, '4111 1111 1111 1111', '4111111111111111']) {
    await page.goto(site.url('/forms'));
    await page.fill('#contato [name=telefone]', phone);
    await page.click('#contato button');
  }
  const forms = await site.received(6, 'form_submit');
  assert.deepEqual(forms.map(({ user }) => user.phone), [...typed, undefined, undefined]);
  assert.ok(!JSON.stringify(site.requests).includes('1111'));
  await visitor.close();
});
