/** Submitted forms: who the visitor says they are, and the harmless rest; never what looks secret. */
import { cut, quietly } from './text.js';

const REPEAT_MS = 10_000;
const MAX_FIELDS = 40;
const SKIPPED_TYPES = /^(password|hidden|file|submit|button|reset|image)$/;
const SECRET =
  /pass(word|wd|phrase)?\b|senha|\bcc-|card|cart[aã]o|cv[vc]\b|c[oó]digo.?de.?seg|security|\btoken|csrf|captcha|otp|one-time|\bpin\b|cpf|\brg\b|ssn|iban|conta.?banc|secret/i;
const EMAIL = /e-?mail/i;
const PHONE = /phone|fone|\btel|celular|whats|\bzap|mobile|cell/i;
const NAME = /nome|\bname|_name|fullname/i;
const NOT_A_NAME = /empresa|company|organi[sz]|user.?name|usu[aá]rio|domain|dom[ií]nio|file|fantasia|raz[aã]o|product|produto|project|projeto/i;
const LAST_NAME = /sobrenome|last.?name|family|surname/i;

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field */
/** @typedef {{email?: string, phone?: string, name?: string, external_id?: string}} User */

/** All that says what a field is for: page builders name fields `field_7a1` and leave the meaning to the label. */
/** @param {Field} field */
function wordsOf(field) {
  const label = field.labels && field.labels[0];
  const placeholder = 'placeholder' in field ? field.placeholder : '';
  const own = [field.name, field.id, field.autocomplete].join(' ');
  const shown = [placeholder, field.getAttribute('aria-label'), label && label.textContent].join(' ');
  return { own, shown, all: `${own} ${shown}`.replace(/([a-z])([A-Z])/g, '$1 $2') };
}

/** 13 to 19 digits that pass the card checksum. @param {string} value */
function isCardNumber(value) {
  const digits = value.replace(/[\s.-]/g, '');
  if (!/^\d{13,19}$/.test(digits)) return false;
  let sum = 0;
  [...digits].reverse().forEach((digit, i) => {
    const n = +digit * (i % 2 ? 2 : 1);
    sum += n > 9 ? n - 9 : n;
  });
  return sum % 10 === 0;
}

/** @param {HTMLFormElement} form @returns {{user: User, fields: Record<string, string>}} */
export function readForm(form) {
  /** @type {User} */
  const user = {};
  /** @type {Record<string, string>} */
  const fields = {};
  let last = '';
  for (const element of [...form.elements].slice(0, 200)) {
    const field = /** @type {Field} */ (element);
    const value = String(field.value || '').trim();
    if (!value || SKIPPED_TYPES.test(field.type) || field.disabled || field.closest('[data-el-ignore]')) continue;
    if (/^(checkbox|radio)$/.test(field.type) && !(/** @type {HTMLInputElement} */ (field).checked)) continue;
    const { own, shown, all } = wordsOf(field);
    if (SECRET.test(all) || isCardNumber(value)) continue;
    const isText = field.tagName === 'INPUT';
    if (isText && value.includes('@') && (field.type === 'email' || EMAIL.test(all))) user.email ||= cut(value, 320);
    else if (isText && (field.type === 'tel' || PHONE.test(all)) && value.replace(/\D/g, '').length > 7) user.phone ||= cut(value, 64);
    else if (isText && LAST_NAME.test(all)) last = value;
    else if (isText && (NAME.test(all) && !NOT_A_NAME.test(all))) user.name ||= cut(value, 256);
    else if (Object.keys(fields).length < MAX_FIELDS) fields[cut(field.name || field.id || shown || own, 100)] = cut(value, 1000);
  }
  if (last) user.name = cut(user.name ? `${user.name} ${last}` : last, 256);
  return { user, fields };
}

/** @param {(user: User, properties: object) => void} submitted called once for each form the visitor sends */
export function watchForms(submitted) {
  let recent = '';
  let recentAt = 0;
  /** @param {HTMLFormElement} form */
  const record = (form) =>
    quietly(() => {
      if (form.closest('[data-el-ignore]')) return;
      const { user, fields } = readForm(form);
      const formId = cut(form.getAttribute('id') || form.getAttribute('name'), 200);
      const action = cut(form.getAttribute('action') || location.pathname, 500).split('?')[0];
      const signature = JSON.stringify([formId, action, user, fields]);
      if (signature === recent && Date.now() - recentAt < REPEAT_MS) return; // a double click, or submit() in a handler
      recent = signature;
      recentAt = Date.now();
      submitted(user, { form_id: formId, form_action: action, fields });
    });
  // On the way down, before the page's own handlers empty the form.
  addEventListener('submit', (event) => event.target instanceof HTMLFormElement && record(event.target), true);
  const original = HTMLFormElement.prototype.submit;
  HTMLFormElement.prototype.submit = function () {
    record(this); // a form sent by code fires no event
    return original.call(this);
  };
}
