/** The first input in a form, once a form. */
import { record } from '../events.js';
import { idOfForm, isIgnored } from '../form-fields.js';
import { listen } from '../quietly.js';

/** @type {WeakSet<HTMLFormElement>} */
const started = new WeakSet();

export function watchFormStarts() {
  listen(['input'], ({ target: { form } }) => {
    if (isIgnored(form) || started.has(form)) return;
    started.add(form);
    record('form_start', { form_id: idOfForm(form) });
  });
}
