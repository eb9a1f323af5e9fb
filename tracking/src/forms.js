/** Forms sent, by the visitor or by code. */
import { record } from './events.js';
import { idOfForm, isIgnored, readField } from './form-fields.js';
import { listen, quietly } from './quietly.js';
import { toJson } from './text.js';

const SAME_FORM_MS = 10000;

/** The content of the last form, for a while. */
let recent = '';

/** Call back before a form is sent and before the page's own handlers empty it. @param {(form: HTMLFormElement) => void} callback */
export function onSubmit(callback) {
  listen(['submit'], ({ target }) => callback(target));
  const { submit } = HTMLFormElement.prototype;
  HTMLFormElement.prototype.submit = function () {
    quietly(() => callback(this)); // a form sent by code fires no event
    submit.call(this);
  };
}

/** @param {HTMLFormElement} form */
function recordForm(form) {
  if (isIgnored(form)) return;
  /** @type {import('./events.js').User} */
  const user = {};
  /** @type {Record<string, string>} */
  const fields = {};
  for (const field of /** @type {any} */ (form.elements)) readField(field, user, fields);
  const properties = { form_id: idOfForm(form), fields };
  const content = toJson([user, properties]);
  if (content === recent) return; // a double click, or submit() in a handler
  recent = content;
  setTimeout(() => (recent = ''), SAME_FORM_MS);
  record('form_submit', properties, user);
}

export const watchForms = () => onSubmit(recordForm);
