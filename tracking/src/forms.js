/** Submitted forms: who the visitor says they are, and the harmless rest; never what looks secret. */
import { cut, now, quietly } from './text.js';

const SECRET = /senha|passw|\bcc-|card|cart[aã]o|\bcv[vc]|se[cg]ur|secre|token|captcha|otp\b|one-time|\bpin\b|cpf|\brg\b|ssn/;
const NOT_A_NAME = /empresa|company|organi|user|usu|dom|fantasia|raz|produ|proj/;

/** @typedef {HTMLInputElement} Field or a select or a textarea, which have what is used of it */
/** @typedef {import('./user.js').User} User */

/** @param {HTMLFormElement} form */
function readForm(form) {
  /** @type {User} */
  const user = {};
  /** @type {Record<string, string>} */
  const fields = {};
  for (const field of /** @type {Iterable<Field>} */ (/** @type {unknown} */ (form.elements))) {
    const { type, name, id, autocomplete, placeholder, ariaLabel, labels } = field;
    const value = cut(field.value, 1000).trim();
    // All that says what a field is for: page builders name fields `field_7a1` and leave the meaning to the label.
    const words = [type, name, id, autocomplete, placeholder, ariaLabel, labels?.[0]?.textContent].join(' ').toLowerCase();
    // Typed or chosen by the visitor: no password, hidden, file, button, nor box left unticked.
    if (!value || !(/^(te|email|num|url|date|sel)/.test(type) || field.checked)) continue;
    if (SECRET.test(words) || field.closest('[data-el-ignore]')) continue;
    const says = (/** @type {RegExp} */ meaning) => /^(text$|tel|email|num)/.test(type) && meaning.test(words);
    const digits = value.replace(/\D/g, '').length;
    if (value.includes('@') && says(/e-?mail/)) user.email ||= value;
    else if (digits > 7 && digits < 16 && says(/\btel|phone|fone|celular|whats|\bzap|mobile/)) user.phone ||= value;
    else if (says(/sobrenome|last.?name|family|surname/)) user.name = `${user.name || ''} ${value}`.trim();
    else if (says(/nome|name/) && !NOT_A_NAME.test(words)) user.name ||= value;
    // What could be a card number stays here, whatever its field is called.
    else if (!/^(\d[ .-]?){13,19}$/.test(value)) fields[cut(name || words.trim(), 100)] = value;
  }
  return { user, fields };
}

/** @param {(properties: object, user: User) => void} submitted called once for each form the visitor sends */
export function watchForms(submitted) {
  let recent = '';
  let recentAt = 0;
  const record = (/** @type {HTMLFormElement} */ form) =>
    quietly(() => {
      if (form.closest('[data-el-ignore]')) return;
      const { user, fields } = readForm(form);
      const properties = { form_id: cut(form.getAttribute('id')), fields };
      const signature = JSON.stringify([user, properties]);
      if (signature === recent && now() - recentAt < 10000) return; // a double click, or submit() in a handler
      recent = signature;
      recentAt = now();
      submitted(properties, user);
    });
  // On the way down, before the page's own handlers empty the form.
  addEventListener('submit', (event) => record(/** @type {HTMLFormElement} */ (event.target)), true);
  const { submit } = HTMLFormElement.prototype;
  HTMLFormElement.prototype.submit = function () {
    record(this); // a form sent by code fires no event
    submit.call(this);
  };
}
