/** What the fields of a form say: who the visitor is, and the rest that is harmless; never a value that looks secret. */
import { truncate } from './text.js';

/** @typedef {HTMLInputElement} Field a select and a textarea have the same properties, as far as they are read here */
/** @typedef {import('./events.js').User} User */

const MAX_VALUE = 1000;
const MAX_NAME = 100;

/** Types of fields that the visitor types or chooses: no password, hidden, file or button. */
const TYPED = /^(text|email|tel|number|url|date|select)/;
/** Types of fields that may say who the visitor is. */
const IDENTIFYING = /^(text|email|tel|number)$/;

// Parts of words that say what a field is for, in Portuguese and English.
const SECRET = /senha|passw|\bcc-|\bcv[vc]|car[dt]|se[cg]u?r|token|captcha|otp\b|one-time|\b(pin|rg)\b|cpf|ssn/;
const EMAIL = /mail/;
const PHONE = /\btel|phone|fone|celular|whats|\bzap|mobile/;
const FAMILY_NAME = /sobrenome|\blast|family|surname/;
const NAME = /nome|name/;
const NOT_A_NAME = /empresa|company|organi|\bus[eu]|dom|fantasia|raz/;

const CARD_NUMBER = /^(\d\D?){13,19}$/;
/** One number or several, but no number of a card. */
const PHONE_NUMBER = /^(?!(\d\D?){16,19}$)(\D*\d){8,}/;
const ADDRESS = /^\S+@\S+$/;

/** What keeps an element out of events, if anything: itself or an element around it. @param {Element} element */
export const isIgnored = (element) => element.closest('[data-el-ignore]');

/**
 * All words about a field: page builders name fields `field_7a1`, and only the label says more. `autocomplete` is read as an
 * attribute: the property leaves out what a browser does not know, as Firefox does with `cc-csc` and `one-time-code`.
 * @param {Field} field
 */
function wordsOf(field) {
  const { type, name, id, placeholder, ariaLabel, labels } = field;
  const label = labels?.[0]?.textContent;
  return [type, name, id, field.getAttribute('autocomplete'), placeholder, ariaLabel, label].join(' ').toLowerCase();
}

/** Add what a field says to what a form says about the visitor, or to its other fields. @param {Field} field @param {User} user @param {Record<string, string>} fields */
export function readField(field, user, fields) {
  const value = truncate(field.value, MAX_VALUE).trim();
  const words = wordsOf(field);
  if (!value || !(TYPED.test(field.type) || field.checked) || SECRET.test(words) || isIgnored(field)) return;
  const says = (/** @type {RegExp} */ meaning) => IDENTIFYING.test(field.type) && meaning.test(words);
  if (says(EMAIL) && ADDRESS.test(value)) user.email ||= value;
  else if (says(PHONE) && PHONE_NUMBER.test(value)) user.phone ||= value;
  else if (says(NAME) && !NOT_A_NAME.test(words)) {
    if (!user.name) user.name = value;
    else if (FAMILY_NAME.test(words)) user.name += ` ${value}`;
  }
  else if (!CARD_NUMBER.test(value)) fields[truncate(field.name || words, MAX_NAME)] = value;
}

/** The attribute: a field named `id` hides the property. @param {HTMLFormElement} form */
export const idOfForm = (form) => truncate(form.getAttribute('id'));
