/** The demo's inbox: asks for the whole state every second and draws it; every word enters the page as text. */

const REFRESH_MS = 1000;
const FACES = 6;
const find = id => document.getElementById(id);

history.replaceState(null, '', '/app'); // who is signed in already comes with the token in the address as well
let chosen = null;
let drawn = '';

/** An element with text and children; nothing is ever parsed as HTML. */
function element(name, { text, ...attributes } = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

const titleOf = contact => contact.name || contact.email || contact.phone_number || 'Sem nome';
const subtitleOf = contact => contact.email || contact.phone_number || 'Visitante sem identificação';
const when = seconds => new Date(seconds * 1000).toLocaleString('pt-BR', { dateStyle: 'short', timeStyle: 'short' });

function face(contact) {
  const initial = [...titleOf(contact)][0].toUpperCase();
  return element('span', { class: `face f${contact.id % FACES}`, text: initial, 'aria-hidden': 'true' });
}

function labels(names) {
  return element('div', { class: 'labels' }, ...names.map(text => element('span', { class: 'label', text })));
}

function value(text) {
  const shown = String(text);
  if (!/^https?:\/\//.test(shown)) return element('dd', { text: shown });
  return element('dd', {}, element('a', { href: shown, text: shown, rel: 'noopener noreferrer', target: '_blank' }));
}

function listing(entries) {
  const rows = entries.filter(([, content]) => content !== null && content !== undefined && content !== '');
  return element('dl', {}, ...rows.flatMap(([key, content]) => [element('dt', { text: key }), value(content)]));
}

function drawPeople(contacts, conversations) {
  const talking = new Set(conversations.map(conversation => conversation.contact_id));
  const shown = contacts.filter(c => c.email || c.phone_number || c.identifier || talking.has(c.id));
  if (!shown.some(contact => contact.id === chosen)) chosen = shown[0]?.id ?? null;
  find('count').textContent = shown.length || '';
  find('people').replaceChildren(...shown.map(contact => {
    const who = element('div', { class: 'who' },
      element('div', { class: 'name', text: titleOf(contact) }), element('div', { class: 'soft', text: subtitleOf(contact) }));
    const button = element('button', { type: 'button', 'aria-current': String(contact.id === chosen) }, face(contact), who);
    button.addEventListener('click', () => { chosen = contact.id; drawn = ''; refresh(); });
    return element('li', {}, button);
  }));
  return shown.find(contact => contact.id === chosen);
}

function drawCard(contact) {
  if (!contact) {
    find('card').replaceChildren(element('p', { class: 'empty',
      text: 'Nenhum contato ainda. Envie o formulário da página de demonstração, ou abra o chat dela.' }));
    return;
  }
  const head = element('div', { class: 'head' }, face(contact), element('div', {},
    element('h2', { text: titleOf(contact) }), element('div', { class: 'soft', text: `Contato ${contact.id}, criado em ${when(contact.created_at)}` })));
  const attributes = Object.entries(contact.custom_attributes).sort(([a], [b]) => a.localeCompare(b));
  find('card').replaceChildren(head, labels(contact.labels),
    listing([['E-mail', contact.email], ['Telefone', contact.phone_number], ['Identificador', contact.identifier]]),
    element('h3', { text: 'Atributos personalizados' }),
    attributes.length ? listing(attributes) : element('p', { class: 'soft', text: 'Nenhum.' }));
}

function thread(conversation) {
  const head = element('header', {}, element('span', { text: `Conversa ${conversation.id}` }),
    element('span', { class: 'soft', text: when(conversation.created_at) }), labels(conversation.labels));
  const said = conversation.messages.map(({ content, message_type: type }) =>
    element('div', { class: `said ${type === 0 ? 'contact' : 'agent'}`, text: content }));
  const input = element('input', { name: 'content', placeholder: 'Responder como atendente', 'aria-label': 'Resposta', autocomplete: 'off' });
  const form = element('form', {}, input, element('button', { text: 'Enviar' }));
  form.addEventListener('submit', async event => {
    event.preventDefault();
    if (!input.value.trim()) return;
    const body = JSON.stringify({ conversation_id: conversation.id, content: input.value });
    input.value = '';
    await fetch('/_demo/reply', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    refresh();
  });
  const attributes = Object.entries(conversation.custom_attributes);
  return element('article', { class: 'thread' }, head, ...said, form, ...(attributes.length ? [listing(attributes)] : []));
}

function draw(state) {
  const talks = state.conversations;
  const contact = drawPeople(state.contacts, talks);
  drawCard(contact);
  const own = talks.filter(conversation => conversation.contact_id === contact?.id);
  find('talk').replaceChildren(...(own.length ? own.map(thread)
    : [element('p', { class: 'empty', text: contact ? 'Este contato ainda não conversou.' : '' })]));
  find('account').textContent = state.name;
}

async function refresh() {
  try {
    const answer = await fetch('/_demo/state');
    if (answer.status === 401) location.assign('/sign-in');
    const text = await answer.text();
    // Typing an answer is not interrupted: the page is drawn again only when something changed.
    if (`${chosen}:${text}` !== drawn) {
      draw(JSON.parse(text));
      drawn = `${chosen}:${text}`;
    }
    find('pulse').textContent = 'Ao vivo';
  } catch {
    find('pulse').textContent = 'Sem conexão';
  }
}

refresh();
setInterval(refresh, REFRESH_MS);
