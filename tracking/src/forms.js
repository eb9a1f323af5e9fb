/** Forms begun and sent: who the visitor says they are, and the harmless rest; never what looks secret. */
import { record } from './events.js';
import { fillFields } from './fields.js';
import { carry } from './handover.js';
import { cut, json, on, quietly } from './text.js';

const SECRET = /senha|passw|\bc(c-|v[vc])|car[td]|se[cg]ur|secre|token|captcha|otp\b|one-time|\b(pin|rg)\b|cpf|ssn/;
const NOT_A_NAME = /empresa|company|organi|\bus[eu]|dom|fantasia|raz/;

/** @typedef {HTMLInputElement} Field or a select or a textarea, which have what is used of it */
/** @typedef {import('./user.js').User} User */

/** @param {Element} element */
const isIgnored = (element) => element.closest('[data-el-ignore]');

/** @param {HTMLFormElement} form */
const idOf = (form) => cut(form.getAttribute('id'));

/** @param {Field} field @param {User} user @param {Record<string, string>} fields */
function readField(field, user, fields) {
    const { type, name, id, placeholder, ariaLabel } = field;
    const value = cut(field.value, 1000).trim();
    // All that says what a field is for: page builders name fields `field_7a1` and leave the meaning to the label.
    // The attribute, as the property keeps only what a browser knows, and Firefox knows neither `cc-csc` nor `one-time-code`.
    const words = [type, name, id, field.getAttribute('autocomplete'), placeholder, ariaLabel, field.labels?.[0]?.textContent].join(' ').toLowerCase();
    // Typed or chosen by the visitor: no password, hidden, file, button, nor box left unticked.
    if (!value || !(/^(te|email|num|url|date|sel)/.test(type) || field.checked)) return;
    if (SECRET.test(words) || isIgnored(field)) return;
    const says = (/** @type {RegExp} */ meaning) => /^(text$|tel|email|num)/.test(type) && meaning.test(words);
    if (/^\S+@\S+$/.test(value) && says(/mail/)) user.email ||= value;
    else if (/^(\D*\d){8,15}\D*$/.test(value) && says(/\btel|[fp]h?one|celular|whats|\bzap|mobile/)) user.phone ||= value;
    else if (says(/sobrenome|last.?name|family|surname/)) user.name = user.name ? user.name + ' ' + value : value;
    else if (says(/nome|name/) && !NOT_A_NAME.test(words)) user.name ||= value;
    // What could be a card number stays here, whatever its field is called.
    else if (!/^(\d\D?){13,19}$/.test(value)) fields[cut(name || words, 100)] = value;
}

let recent = '';

/** @param {HTMLFormElement} form */
const submitted = (form) =>
  quietly(() => {
    carry(form, 'action');
    if (isIgnored(form)) return;
    /** @type {User} */
    const user = {};
    /** @type {Record<string, string>} */
    const fields = {};
    for (const field of /** @type {Iterable<Field>} */ (/** @type {unknown} */ (form.elements))) readField(field, user, fields);
    const properties = { form_id: idOf(form), fields };
    const signature = json([user, properties]);
    if (signature === recent) return; // a double click, or submit() in a handler
    recent = signature;
    setTimeout(() => (recent = ''), 10000);
    record('form_submit', properties, user);
  });

export function watchForms() {
  on('load focusin', fillFields);
  on('input', ({ target: { form } }) => {
    if (isIgnored(form) || form._el) return;
    form._el = true;
    record('form_start', { form_id: idOf(form) });
  });
  // Before the page's own handlers empty the form.
  on('submit', ({ target }) => submitted(target));
  const { submit } = HTMLFormElement.prototype;
  HTMLFormElement.prototype.submit = function () {
    submitted(this); // a form sent by code fires no event
    submit.call(this);
  };
}
